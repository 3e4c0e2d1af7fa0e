//! One conversation with a device.

use std::net::SocketAddr;

use snmp2::v3::AuthErrorKind;
use snmp2::{AsyncSession, Error, MessageType, Oid, Pdu};

use super::{Access, Said};

/// Why a device said nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unsaid {
    pub(super) why: String,
    /// True if another try would end the same.
    pub(super) is_final: bool,
}

/// Reports of the device about our knowledge of its clock, each of which costs another question.
const MOST_UPDATES: usize = 4;

/// Asks for one object. It waits for ever for a packet that is lost.
pub(super) async fn get(
    device: SocketAddr,
    access: Access,
    oid: Oid<'static>,
) -> Result<Said, Unsaid> {
    let number = fastrand::i32(1..i32::MAX / 2);
    let lost = |error: std::io::Error| Unsaid {
        why: error.to_string(),
        is_final: false,
    };
    let mut session = match access {
        Access::Community(community) => {
            AsyncSession::new_v2c(device, community.as_bytes(), number).await
        }
        Access::User(security) => AsyncSession::new_v3(device, number, *security).await,
    }
    .map_err(lost)?;
    // What the device is called and what its clock says; nothing is sent for version 2c.
    session.init().await.map_err(unsaid)?;
    for _ in 0..MOST_UPDATES {
        match session.get(&oid).await {
            Err(Error::AuthUpdated) => {}
            Err(error) => return Err(unsaid(error)),
            Ok(answer) => return read(answer, &oid),
        }
    }
    Err(Unsaid {
        why: "its clock changes with each answer".into(),
        is_final: true,
    })
}

fn read(mut answer: Pdu<'_>, oid: &Oid<'_>) -> Result<Said, Unsaid> {
    let refuse = |why: String| {
        let is_final = true;
        Err(Unsaid { why, is_final })
    };
    if answer.message_type != MessageType::Response {
        return refuse("it answers with something else than a response".into());
    }
    if answer.error_status != 0 {
        return refuse(error_status(answer.error_status));
    }
    match answer.varbinds.next() {
        Some((name, value)) if name == *oid => match Said::of(&value) {
            Some(said) => Ok(said),
            None => refuse("its value is of a kind that is not understood".into()),
        },
        _ => refuse("it answers with another object".into()),
    }
}

/// RFC 3416, section 3.
fn error_status(status: u32) -> String {
    match status {
        1 => "the answer would be too large".into(),
        2 => "it knows no such object".into(),
        5 => "it failed (genErr)".into(),
        6 => "it does not allow access to the object".into(),
        16 => "it does not authorise this user (authorizationError)".into(),
        other => format!("it answers with error {other}"),
    }
}

fn unsaid(error: Error) -> Unsaid {
    let (why, is_final) = match &error {
        Error::AuthFailure(kind) => (auth_failure(kind), true),
        Error::Receive => ("nobody listens there for SNMP".to_owned(), false),
        Error::Send => ("nothing can be sent there".into(), false),
        // A packet from somebody else, or one that is late.
        Error::RequestIdMismatch | Error::CommunityMismatch => {
            ("its answer is to another question".into(), false)
        }
        other => (format!("its answer is not understood: {other}"), false),
    };
    Unsaid { why, is_final }
}

fn auth_failure(kind: &AuthErrorKind) -> String {
    match kind {
        AuthErrorKind::SignatureMismatch => {
            "its answer is not signed with the authentication password of this user".into()
        }
        AuthErrorKind::NotAuthenticated => {
            "it does not know the user, or not with this authentication password".into()
        }
        AuthErrorKind::ReplyNotEncrypted => {
            "it does not answer encrypted: privacy protocol or password may be wrong".into()
        }
        other => format!("it refuses ({other})"),
    }
}
