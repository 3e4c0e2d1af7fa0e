use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;

/// How a server treats its one visitor.
enum Manner {
    /// Waits for the end of the message, then answers.
    Answers(Vec<u8>),
    /// Sends a part, and resets the connection.
    Resets(Vec<u8>),
    /// Sends a part, and no more.
    Stalls(Vec<u8>),
    /// Sends a byte every hundredth of a second.
    Drips,
}

async fn server(manner: Manner) -> (Recipient, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let recipient = Recipient::parse(&listener.local_addr().unwrap().to_string()).unwrap();
    let heard = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut message = Vec::new();
        stream.read_to_end(&mut message).await.unwrap();
        match manner {
            Manner::Answers(bytes) => stream.write_all(&bytes).await.unwrap(),
            Manner::Resets(bytes) => {
                stream.write_all(&bytes).await.unwrap();
                stream.set_zero_linger().unwrap();
            }
            Manner::Stalls(bytes) => {
                stream.write_all(&bytes).await.unwrap();
                std::future::pending::<()>().await;
            }
            Manner::Drips => loop {
                if stream.write_all(b"x").await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            },
        }
        message
    });
    (recipient, heard)
}

const LIMITS: Limits = Limits {
    connect: Duration::from_secs(15),
    idle: Duration::from_secs(15),
    total: Duration::from_secs(60),
    bytes: 100_000,
};

#[tokio::test]
async fn a_message_is_heard_whole_and_answered() {
    let (to, heard) = server(Manner::Answers(b"clientversion:2\n".into())).await;
    let message = vec![b'x'; 200_000];
    let answer = ask(&to, &message, &LIMITS).await.unwrap();
    assert_eq!(wanted_version(&answer).unwrap(), Some("2"));
    assert_eq!(heard.await.unwrap(), message);
}

#[tokio::test]
async fn a_download_is_one_line_without_an_end() {
    let package = vec![7; 90_000];
    let (to, heard) = server(Manner::Answers(package.clone())).await;
    let mut sink = Vec::new();
    let bytes = download(&to, "new.tar", &mut sink, &LIMITS).await.unwrap();
    assert_eq!((bytes, sink), (90_000, package));
    assert_eq!(heard.await.unwrap(), b"download new.tar");
}

#[tokio::test]
async fn too_much_and_a_reset_are_errors() {
    let (to, _) = server(Manner::Answers(vec![0; 200_000])).await;
    let error = ask(&to, b"ping", &LIMITS).await.unwrap_err();
    assert!(matches!(error, ClientError::TooLarge { .. }), "{error}");
    let (to, _) = server(Manner::Resets(vec![0; 10])).await;
    let error = ask(&to, b"ping", &LIMITS).await.unwrap_err();
    assert!(matches!(error, ClientError::Broken { .. }), "{error}");
    let nobody = Recipient::parse("127.0.0.1:1").unwrap();
    let error = ask(&nobody, b"ping", &LIMITS).await.unwrap_err();
    assert!(matches!(error, ClientError::Connect { .. }), "{error}");
}

#[tokio::test]
async fn silence_and_a_drip_have_an_end() {
    let limits = Limits {
        idle: Duration::from_millis(500),
        ..LIMITS
    };
    let (to, _) = server(Manner::Stalls(vec![0; 10])).await;
    let error = ask(&to, b"ping", &limits).await.unwrap_err().to_string();
    assert!(
        error.contains("is silent for 0.5 s, after 10 bytes"),
        "{error}"
    );
    let limits = Limits {
        total: Duration::from_millis(500),
        ..LIMITS
    };
    let (to, _) = server(Manner::Drips).await;
    let error = ask(&to, b"ping", &limits).await.unwrap_err().to_string();
    assert!(error.contains("is at it for 0.5 s"), "{error}");
}
