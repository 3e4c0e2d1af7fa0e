//! Targets for what lies in files and repositories: the fleet file, signed metadata, bundles.

use std::io::Cursor;

use lockstep_fleet::Fleet;
use lockstep_model::HostName;
use lockstep_trust::{Role, bundle, releases_of, stated};

use crate::gateways::{Target, used};

/// All of them.
pub(crate) const TARGETS: &[Target] = &[
    ("bundle", bundle),
    ("fleet_file", fleet_file),
    ("metadata", metadata),
];

/// A fleet file, and the work document of a host by it.
fn fleet_file(data: &[u8]) {
    let text = String::from_utf8_lossy(data).into_owned();
    if let Ok(fleet) = Fleet::parse(vec![("fleet.toml".to_owned(), text)]) {
        let host = HostName::parse("web1").expect("it is a host's name");
        used(fleet.work_for(&host));
    }
}

/// Metadata of The Update Framework, as far as it is read before anybody has checked a signature.
fn metadata(data: &[u8]) {
    for role in [Role::Root, Role::Targets, Role::Snapshot, Role::Timestamp] {
        used(stated(role, data));
    }
    used(releases_of(data));
}

/// A bundle of anybody's making: as it comes, and as the archive in it, which mutations would not reach.
fn bundle(data: &[u8]) {
    used(bundle::inspect(Cursor::new(data)));
    let packed = zstd::bulk::compress(data, 1).expect("memory is there");
    used(bundle::inspect(Cursor::new(packed)));
}
