use lockstep_model::Level;

use super::*;
use crate::remote::world::{PATIENCE, look, order};

/// Answers each question with what is made of it; the time in it is ours, plus so much.
async fn server(ahead: f64, change: fn(&mut Vec<u8>)) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut question = [0; 512];
        while let Ok((48, peer)) = socket.recv_from(&mut question).await {
            assert_eq!(question[0], 0x23);
            // Somebody else's answer first.
            socket.send_to(&[0x24; 48], peer).await.unwrap();
            let now = ntp_time(Clock::system().now());
            let time =
                now.wrapping_add((ahead * f64::from(1 << 16) * f64::from(1 << 16)) as i64 as u64);
            let mut answer = vec![0; 48];
            answer[..2].copy_from_slice(&[0x24, 2]);
            answer[24..32].copy_from_slice(&question[40..48]);
            answer[32..40].copy_from_slice(&time.to_be_bytes());
            answer[40..48].copy_from_slice(&time.to_be_bytes());
            change(&mut answer);
            socket.send_to(&answer, peer).await.unwrap();
        }
    });
    format!("ntp:{address}")
}

#[tokio::test]
async fn the_offset_has_a_sign() {
    for ahead in [0.0, 5.0, -3.5] {
        let found = look(&order(&server(ahead, |_| {}).await)).await;
        assert!((found.number() - ahead).abs() < 0.5, "{ahead}: {found:?}");
    }
}

#[tokio::test]
async fn a_server_may_not_know_the_time() {
    let why = async |change| {
        let found = look(&order(&server(0.0, change).await)).await;
        assert_eq!(found.level(), Some(Level::CRITICAL));
        found.none().to_owned()
    };
    let refused = why(|answer| {
        answer[1] = 0;
        answer[12..16].copy_from_slice(b"RATE");
    });
    assert!(refused.await.ends_with("refuses to tell the time (RATE)"));
    assert!(
        why(|answer| answer[0] |= 0xc0)
            .await
            .ends_with("does not know the time itself")
    );
    assert!(
        why(|answer| answer[1] = 16)
            .await
            .ends_with("does not know the time itself")
    );
    assert!(
        why(|answer| answer[0] = 0x23)
            .await
            .contains("something else")
    );
    assert!(
        why(|answer| answer[40..].fill(0))
            .await
            .contains("something else")
    );
}

#[tokio::test]
async fn who_says_nothing_right_is_given_up() {
    let other = server(0.0, |answer| answer[24] ^= 1).await;
    let began = Instant::now();
    let found = look(&order(&other).within(Duration::from_millis(600))).await;
    assert!(found.none().contains("no answer in time") && began.elapsed() < PATIENCE / 4);
}
