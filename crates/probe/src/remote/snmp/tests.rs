use std::collections::BTreeMap;
use std::time::Duration;

use lockstep_host::fs::Mode;
use lockstep_model::{Glob, Level, Setting, Snmp as Access};
use tokio::net::UdpSocket;

use super::*;
use crate::remote::world::{Daemon, PATIENCE, look, one, order, probe, refusal, watched};
use crate::{Secrets, SnmpAuth, SnmpPrivacy, SnmpSecret};

const UPTIME: &str = "1.3.6.1.2.1.1.3.0";
const NAME: &str = "1.3.6.1.2.1.1.5.0";
const SERVICES: &str = "1.3.6.1.2.1.1.7.0";
const IN_PACKETS: &str = "1.3.6.1.2.1.11.1.0";

const CONFIG: &str = "rocommunity public 127.0.0.1\nrouser ann priv\nrouser bob auth\nrouser eve priv\n\
    sysName device\nsysServices 72\nsysContact 7.5\n";
const USERS: &str = "createUser ann SHA \"ann-auth-password\" AES \"ann-priv-password\"\n\
    createUser bob MD5 \"bob-auth-password\"\n\
    createUser eve SHA-256 \"eve-auth-password\" DES \"eve-priv-password\"\n";

/// A real agent on a port of its own.
struct Device {
    _daemon: Daemon,
    port: u16,
}

impl Device {
    async fn start() -> Self {
        // Somebody else could take the port in between; the agent would then end at once.
        let port = UdpSocket::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let listen = format!("udp:127.0.0.1:{port}");
        let args = [
            "-f",
            "-Lo",
            "-C",
            "-c",
            "{dir}/snmpd.conf",
            "-p",
            "{dir}/pid",
            "-I",
            "-smux",
            &listen,
        ];
        let env = [("SNMP_PERSISTENT_DIR", "{dir}/persistent"), ("MIBS", "")];
        let daemon = Daemon::start("/usr/sbin/snmpd", &args, &env, |dir| {
            std::fs::create_dir(dir.join("persistent")).unwrap();
            let config = format!("{CONFIG}{USERS}");
            let path = dir.join("snmpd.conf");
            lockstep_host::fs::write_durable(&path, config.as_bytes(), Mode::Private).unwrap();
        });
        daemon
            .said(|text| text.contains("NET-SNMP version").then_some(()))
            .await;
        Self {
            _daemon: daemon,
            port,
        }
    }

    fn order(&self, oid: &str, secret: &str) -> Order {
        let mut order =
            order(&format!("snmp:{oid}@127.0.0.1:{}", self.port)).with("secret", secret);
        if secret != "public" && secret != "wrong" {
            order = order.with("version", "3");
        }
        knowing(order)
    }
}

fn anywhere() -> Vec<lockstep_model::Glob> {
    vec![lockstep_model::Glob::parse("*").unwrap()]
}

fn knowing(mut order: Order) -> Order {
    let community = |text: &str| SnmpSecret {
        community: Some(text.into()),
        hosts: anywhere(),
        ..SnmpSecret::default()
    };
    let user =
        |name: &str, auth, auth_password: &str, privacy: Option<(SnmpPrivacy, &str)>| SnmpSecret {
            user: Some(name.into()),
            auth: Some(auth),
            auth_password: Some(auth_password.into()),
            privacy: privacy.map(|(privacy, _)| privacy),
            privacy_password: privacy.map(|(_, password)| password.into()),
            hosts: anywhere(),
            ..SnmpSecret::default()
        };
    let aes = |password| Some((SnmpPrivacy::Aes, password));
    let secrets = [
        ("public", community("public")),
        ("wrong", community("private")),
        (
            "ann",
            user(
                "ann",
                SnmpAuth::Sha,
                "ann-auth-password",
                aes("ann-priv-password"),
            ),
        ),
        ("bob", user("bob", SnmpAuth::Md5, "bob-auth-password", None)),
        (
            "eve",
            user(
                "eve",
                SnmpAuth::Sha256,
                "eve-auth-password",
                Some((SnmpPrivacy::Des, "eve-priv-password")),
            ),
        ),
        (
            "bad-auth",
            user(
                "ann",
                SnmpAuth::Sha,
                "not-the-password",
                aes("ann-priv-password"),
            ),
        ),
        (
            "bad-priv",
            user(
                "ann",
                SnmpAuth::Sha,
                "ann-auth-password",
                aes("not-the-password"),
            ),
        ),
        (
            "no-priv",
            user("ann", SnmpAuth::Sha, "ann-auth-password", None),
        ),
        (
            "nobody",
            user(
                "nobody",
                SnmpAuth::Sha,
                "ann-auth-password",
                aes("ann-priv-password"),
            ),
        ),
        ("short", user("ann", SnmpAuth::Sha, "short", None)),
        (
            "elsewhere",
            SnmpSecret {
                hosts: vec![Glob::parse("10.*").unwrap()],
                ..community("public")
            },
        ),
    ];
    order.secrets = Arc::new(Secrets {
        snmp: BTreeMap::from(secrets.map(|(name, secret)| (name.into(), secret))),
        ..Secrets::default()
    });
    order
}

#[tokio::test]
async fn a_real_agent_is_asked_by_every_version() {
    let device = Device::start().await;
    for secret in ["public", "ann", "bob", "eve"] {
        let found = look(&device.order(UPTIME, secret)).await;
        assert!(
            (0.0..600.0).contains(&found.number()),
            "{secret}: {found:?}"
        );
        assert!(matches!(&found.value, Value::Number { unit, .. } if unit == "s"));
        let name = look(&device.order(NAME, secret)).await;
        assert_eq!(name.value, Value::Text("device".into()), "{secret}");
    }
    assert_eq!(look(&device.order(SERVICES, "public")).await.number(), 72.0);
    let heat = look(&device.order(SERVICES, "public").with("unit", "0.1°C")).await;
    assert!((heat.number() - 7.2).abs() < 1e-9);
    assert!(matches!(heat.value, Value::Number { unit, .. } if unit == "°C"));
    let contact = device.order("1.3.6.1.2.1.1.4.0", "public");
    assert_eq!(look(&contact).await.value, Value::Text("7.5".into()));
    assert_eq!(look(&contact.with("unit", "KiB")).await.number(), 7680.0);
    assert!(
        look(&device.order(NAME, "public").with("unit", "s"))
            .await
            .none()
            .contains("not a number")
    );
}

#[tokio::test]
async fn counters_are_rates() {
    let device = Device::start().await;
    let packets = probe(&device.order(IN_PACKETS, "public").with("rate", true));
    let first = one(Arc::clone(&packets).look(crate::remote::world::now()).await);
    assert!(first.none().contains("second look") && first.level() == Some(Level::FINE));
    let second = one(packets.look(crate::remote::world::now()).await);
    assert!(second.number() > 0.0);
    assert!(matches!(second.value, Value::Number { unit, .. } if unit == "/s"));
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let device = Device::start().await;
    let short = Duration::from_millis(1500);
    let why = async |order: Order| {
        let found = look(&order).await;
        assert_eq!(found.level(), Some(Level::CRITICAL), "{found:?}");
        found.none().to_owned()
    };
    let missing = why(device.order("1.3.6.1.2.1.1.99.0", "public")).await;
    assert!(missing.ends_with("knows no such object"), "{missing}");
    let instance = why(device.order("1.3.6.1.2.1.1.5.7", "ann")).await;
    assert!(
        instance.ends_with("has no such instance of the object"),
        "{instance}"
    );
    let wrong = why(device.order(UPTIME, "wrong").within(short)).await;
    assert!(wrong.contains("does not know the community"), "{wrong}");
    let auth = why(device.order(UPTIME, "bad-auth")).await;
    assert!(auth.contains("authentication password"), "{auth}");
    let user = why(device.order(UPTIME, "nobody")).await;
    assert!(user.contains("does not know the user"), "{user}");
    let privacy = why(device.order(UPTIME, "bad-priv").within(short)).await;
    assert!(
        privacy.contains("no answer in time") || privacy.contains("privacy"),
        "{privacy}"
    );
    let without = why(device.order(UPTIME, "no-priv")).await;
    assert!(
        without.contains("authoris") || without.contains("access") || without.contains("privacy"),
        "{without}"
    );
}

#[tokio::test]
async fn a_watched_device_is_asked_as_the_fleet_file_says() {
    let device = Device::start().await;
    let mut order = watched(&format!("snmp:{NAME}"), "127.0.0.1");
    order.target.as_mut().unwrap().snmp = Some(Access {
        version: SnmpVersion::V3,
        port: Some(device.port),
        secret: "ann".into(),
    });
    assert_eq!(
        look(&knowing(order)).await.value,
        Value::Text("device".into())
    );
}

#[tokio::test]
async fn hostile_agents_cost_bounded_time() {
    let short = Duration::from_millis(900);
    let ask = async |port: u16, secret: &str| {
        let asked =
            knowing(order(&format!("snmp:{UPTIME}@127.0.0.1:{port}")).with("secret", secret));
        let asked = if secret == "public" {
            asked
        } else {
            asked.with("version", "3")
        };
        let began = Instant::now();
        let found = look(&asked.within(short)).await;
        assert!(began.elapsed() < PATIENCE / 4);
        assert_eq!(found.level(), Some(Level::CRITICAL));
        found.none().to_owned()
    };
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    assert!(ask(port, "public").await.contains("no answer in time"));
    assert!(ask(port, "ann").await.contains("no answer in time"));
    drop(silent);
    assert!(ask(port, "public").await.contains("nobody listens"));

    // Everything that is asked comes back with a few bytes changed.
    let mirror = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = mirror.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut packet = vec![0; 2000];
        let mut random = fastrand::Rng::with_seed(7);
        while let Ok((length, peer)) = mirror.recv_from(&mut packet).await {
            for _ in 0..random.usize(..4) {
                packet[random.usize(..length)] = random.u8(..);
            }
            let _ = mirror
                .send_to(&packet[..random.usize(..=length)], peer)
                .await;
        }
    });
    for _ in 0..100 {
        ask(port, "public").await;
        ask(port, "ann").await;
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let why = |name: &str, options: &[(&str, &str)]| {
        let mut order = knowing(order(name));
        for (option, value) in options {
            order
                .options
                .insert((*option).into(), Setting::Text((*value).into()));
        }
        refusal(&order)
    };
    assert!(why("snmp:1.3.6@a", &[]).contains("no secret is named"));
    assert!(why("snmp:1.3.6", &[("secret", "public")]).contains("looks at a host"));
    assert!(why("snmp:sysUpTime@a", &[("secret", "public")]).contains("digits and dots"));
    assert!(why("snmp:1.3.6@a", &[("secret", "x")]).contains("has no [snmp.x]"));
    assert!(why("snmp:1.3.6@a", &[("secret", "elsewhere")]).contains("is not for a"));
    assert!(why("snmp:1.3.6@a", &[("secret", "ann")]).contains("has no `community`"));
    assert!(why("snmp:1.3.6@a", &[("secret", "short"), ("version", "3")]).contains("eight bytes"));
    assert!(
        why("snmp:1.3.6@a", &[("secret", "public"), ("version", "1")]).contains("\"2c\" or \"3\"")
    );
    assert!(
        why("snmp:1.3.6@a", &[("secret", "public"), ("unit", "parsec")]).contains("not a unit")
    );
    let shown = format!(
        "{:?}",
        probe(&knowing(order("snmp:1.3.6@a").with("secret", "public")))
    );
    assert!(!shown.contains("\"public\""), "{shown}");
}
