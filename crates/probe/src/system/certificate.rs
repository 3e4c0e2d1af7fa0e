//! `certificate:PATH`: in how many seconds the certificate of a file expires.
//!
//! The file is PEM or DER. Of a chain it is the first certificate that counts, which is the one of the host itself;
//! those behind it belong to authorities, and servers send ones that have expired on purpose, for old clients.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::has_options;
use super::permitted::{self, unread};
use super::reading::{Source, reading, seconds, the_item};
use crate::probe::{Found, Order, Probe};

/// Largest file, in bytes: bundles of all authorities have a quarter of it.
const LARGEST: u64 = 1024 * 1024;

/// The probe `certificate:PATH`.
pub(super) fn certificate(order: &Order) -> Result<Arc<dyn Probe>, String> {
    has_options(order, &[])?;
    Ok(reading(order, Certificate(permitted::path(order)?)))
}

#[derive(Debug)]
struct Certificate(PathBuf);

impl Source for Certificate {
    fn read(&self, order: &Order, at: Timestamp) -> Result<Vec<Found>, String> {
        let (file, _) = permitted::open(order, &self.0)?;
        let mut bytes = Vec::new();
        file.take(LARGEST + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| unread(&self.0, &error))?;
        if bytes.len() as u64 > LARGEST {
            return Err(format!(
                "{} has more than {LARGEST} bytes",
                self.0.display()
            ));
        }
        let expires = expires(&bytes).map_err(|why| format!("{} {why}", self.0.display()))?;
        let left = expires.saturating_sub(at.as_second());
        Ok(the_item(order, seconds(left), None))
    }
}

/// The second in which the first certificate expires.
fn expires(bytes: &[u8]) -> Result<i64, String> {
    // A DER certificate is a SEQUENCE; text does not begin so.
    let der = if bytes.first() == Some(&0x30) {
        bytes.to_vec()
    } else {
        first_pem(bytes)?
    };
    let (_, certificate) = X509Certificate::from_der(&der)
        .map_err(|error| format!("holds a certificate that is not understood: {error}"))?;
    Ok(certificate.validity().not_after.timestamp())
}

/// The first block of a PEM file that is a certificate; a key may come before it.
fn first_pem(bytes: &[u8]) -> Result<Vec<u8>, String> {
    for block in Pem::iter_from_buffer(bytes) {
        let block = block.map_err(|error| format!("is neither PEM nor DER: {error}"))?;
        if matches!(block.label.as_str(), "CERTIFICATE" | "TRUSTED CERTIFICATE") {
            return Ok(block.contents);
        }
    }
    Err("holds no certificate".into())
}

#[cfg(test)]
mod tests {
    use crate::system::world::World;
    use lockstep_host::exec::Exec;
    use std::time::Duration;

    /// A certificate of openssl's that counts for a hundred days, as PEM and DER with its key beside.
    async fn certificate(world: &World) -> String {
        let dir = world.root().join("etc/ssl/certs");
        std::fs::create_dir_all(&dir).unwrap();
        let script = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x -days 100 \
                      -keyout key.pem -out cert.pem && openssl x509 -in cert.pem -outform der -out cert.der && \
                      date -d \"$(openssl x509 -in cert.pem -noout -enddate | cut -d= -f2)\" +%s > end";
        let made = Exec::new("sh", Duration::from_secs(60))
            .args(["-c", script])
            .cwd(&dir)
            .run()
            .await
            .unwrap();
        assert!(made.succeeded(), "{made:?}");
        std::fs::read_to_string(dir.join("end"))
            .unwrap()
            .trim()
            .into()
    }

    #[tokio::test]
    async fn the_first_certificate_counts() {
        let world = World::new();
        let end: i64 = certificate(&world).await.parse().unwrap();
        let dir = world.root().join("etc/ssl/certs");
        let read = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
        let chain = format!("{}{}garbage\n", read("key.pem"), read("cert.pem"));
        world.put("etc/ssl/certs/chain.pem", &chain);
        for name in ["cert.pem", "cert.der", "chain.pem"] {
            let item = format!("certificate:/etc/ssl/certs/{name}");
            assert_eq!(world.value(&item, end - 60).await, "60.0 s", "{name}");
            assert_eq!(world.value(&item, end + 60).await, "-60.0 s", "{name}");
        }
        let value = world.value("certificate:/etc/ssl/certs/key.pem", 0).await;
        assert_eq!(value, "none (/etc/ssl/certs/key.pem holds no certificate)");
    }

    #[tokio::test]
    async fn what_is_no_certificate_is_said() {
        let world = World::new();
        for text in [
            "0\u{1}",
            "x",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\nAAAA",
        ] {
            world.put("run/x.pem", text);
            let value = world.value("certificate:/run/x.pem", 0).await;
            assert!(value.starts_with("none (/run/x.pem "), "{text:?}: {value}");
        }
    }
}
