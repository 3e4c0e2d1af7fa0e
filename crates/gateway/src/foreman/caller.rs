//! Who asks: the host that a certificate names.

use http::Extensions;
use lockstep_model::HostName;
use lockstep_net::tls::{PeerCertificate, UnverifiedCertificate, common_name};

use crate::seams::{Hosts, Trouble};

/// Why nobody is known to ask.
#[derive(Debug)]
pub(super) enum Stranger {
    /// What it showed names no host of ours.
    Unknown {
        /// Whom the certificate names, believed or not; empty where it names nobody.
        user: String,
        /// What is wrong, for an operator.
        why: String,
    },
    /// It could not be found out.
    Trouble(Trouble),
}

/// The host that asks: its certificate is valid, and the CN in it, in lower case, is a known host.
pub(super) async fn host<D: Hosts>(shown: &Extensions, desk: &D) -> Result<HostName, Stranger> {
    if let Some(UnverifiedCertificate { der, why }) = shown.get() {
        return Err(Stranger::Unknown {
            user: common_name(der).unwrap_or_default(),
            why: format!("the certificate is not valid here: {why}"),
        });
    }
    let Some(PeerCertificate(der)) = shown.get() else {
        return Err(Stranger::Unknown {
            user: String::new(),
            why: "there is no client certificate".into(),
        });
    };
    let user = common_name(der).unwrap_or_default();
    let Ok(host) = HostName::parse(&user.to_lowercase()) else {
        let why = "the certificate does not name one host in its CN".into();
        return Err(Stranger::Unknown { user, why });
    };
    match desk.known(&host).await {
        Ok(Some(known)) => Ok(known.host),
        Ok(None) => Err(Stranger::Unknown {
            why: format!("no host {host} is known: name it in the fleet file, or enrol it"),
            user,
        }),
        Err(trouble) => Err(Stranger::Trouble(trouble)),
    }
}
