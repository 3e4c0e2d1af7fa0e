use std::time::Duration;

use lockstep_host::exec::Exec;
use tokio::time::timeout;

use super::fake::{Reply, message, serve};
use super::*;
use crate::system::world::World;

const LIST: &str = "org.example.List";

fn list() -> Call<'static> {
    Call::new("org.example", "/org/example", "org.example", "List")
}

/// What the client makes of an answer.
async fn ask(reply: impl Fn() -> Reply + Send + Sync + 'static) -> Result<Answer, String> {
    let world = World::new();
    let _bus = serve(world.root(), move |call| {
        assert_eq!(call, LIST);
        reply()
    });
    let mut bus = Bus::connect(world.root()).await?;
    let answer = bus.call(list()).await?;
    assert_eq!(bus.serial, 2);
    Ok(answer)
}

#[tokio::test]
async fn an_answer_has_its_arguments() {
    let answer = ask(|| {
        let mut body = Writer::default();
        body.string("ä");
        Reply::Body("s", body)
    });
    let answer = answer.await.unwrap();
    let text = answer.read("s", |reader| reader.string().map(String::from));
    assert_eq!(text.as_deref(), Ok("ä"));
    let wrong = answer.read("u", |reader| reader.u32());
    assert!(wrong.unwrap_err().contains("\"s\" instead of \"u\""));
}

#[tokio::test]
async fn an_error_has_its_words() {
    let why = ask(|| Reply::Error("org.example.Denied", "not you")).await;
    assert_eq!(
        why.unwrap_err(),
        "org.example.List failed: org.example.Denied: not you"
    );
}

#[tokio::test]
async fn a_bus_that_talks_nonsense_harms_nobody() {
    let raw = |bytes: Vec<u8>| ask(move || Reply::Raw(bytes.clone()));
    let whole = message(ANSWER, 2, None, "", Writer::default());
    let mut odd = whole.clone();
    odd[0] = b'x';
    assert!(raw(odd).await.unwrap_err().contains("not understood"));
    let mut long = whole.clone();
    long[4..8].fill(0xff);
    assert!(
        raw(long)
            .await
            .unwrap_err()
            .contains("more than 1048576 bytes")
    );
    let mut field = whole.clone();
    field[17] = 200;
    assert!(raw(field).await.unwrap_err().contains("not understood"));
    let others = message(ANSWER, 77, None, "", Writer::default()).repeat(MOST_OTHERS);
    assert!(raw(others).await.unwrap_err().contains("other things"));
}

#[tokio::test]
async fn answers_in_the_other_byte_order_are_read() {
    let body = [0, 0, 0, 2, b'h', b'i', 0];
    let bytes = [
        &[b'B', ANSWER, 1, 1, 0, 0, 0, 7, 0, 0, 0, 9, 0, 0, 0, 15][..],
        &[REPLY_SERIAL, 1, b'u', 0, 0, 0, 0, 2],
        &[SIGNATURE, 1, b'g', 0, 1, b's', 0, 0],
        &body,
    ];
    let bytes = bytes.concat();
    let answer = ask(move || Reply::Raw(bytes.clone())).await.unwrap();
    assert_eq!(
        answer
            .read("s", |reader| reader.string().map(String::from))
            .as_deref(),
        Ok("hi")
    );
}

#[tokio::test]
async fn silence_lasts_until_the_deadline() {
    let asked = timeout(Duration::from_millis(50), ask(|| Reply::Silence));
    assert!(asked.await.is_err());
}

#[tokio::test]
async fn without_a_bus_its_place_is_named() {
    let world = World::new();
    let why = Bus::connect(world.root()).await.unwrap_err();
    let socket = world.root().join(SOCKET);
    assert!(why.starts_with(&format!("there is no system bus at {}: ", socket.display())));
}

/// The daemon of the reference implementation.
#[tokio::test]
async fn a_real_bus_is_understood() {
    let world = World::new();
    let root = world.root();
    let socket = root.join(SOCKET);
    world.put(
        "bus.conf",
        &format!(
            "<busconfig><type>system</type><listen>unix:path={}</listen><auth>EXTERNAL</auth>\
             <policy context=\"default\"><allow user=\"*\"/><allow send_destination=\"*\"/>\
             <allow receive_sender=\"*\"/></policy></busconfig>",
            socket.display()
        ),
    );
    std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
    let config = format!("--config-file={}", root.join("bus.conf").display());
    let daemon = Exec::new("dbus-daemon", Duration::from_secs(60)).args(["--nofork", &config]);
    // It ends with the test: what is dropped while it runs is killed.
    let mut daemon = Box::pin(daemon.run());
    let listens = async {
        loop {
            match Bus::connect(root).await {
                Ok(bus) => return bus,
                Err(why) if why.contains("there is no system bus") => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err(why) => panic!("{why}"),
            }
        }
    };
    let mut bus = tokio::select! {
        bus = timeout(Duration::from_secs(30), listens) => bus.unwrap(),
        ended = &mut daemon => panic!("dbus-daemon of the package dbus-daemon is needed: {ended:?}"),
    };
    let driver = "org.freedesktop.DBus";
    let call = Call::new(driver, "/org/freedesktop/DBus", driver, "GetId");
    let id = bus.call(call).await.unwrap();
    let id = id.read("s", |reader| reader.string().map(str::len));
    assert_eq!(id, Ok(32));
    let mut body = Writer::default();
    body.string("org.freedesktop.systemd1");
    let call = Call {
        signature: "s",
        body,
        ..Call::new(driver, "/org/freedesktop/DBus", driver, "NameHasOwner")
    };
    let owned = bus
        .call(call)
        .await
        .unwrap()
        .read("b", |reader| reader.u32());
    assert_eq!(owned, Ok(0));
    let nobody = bus.call(Call::property("org.nobody", "/", "x")).await;
    let why = nobody.unwrap_err();
    assert!(
        why.contains("org.freedesktop.DBus.Error.ServiceUnknown: "),
        "{why}"
    );
}
