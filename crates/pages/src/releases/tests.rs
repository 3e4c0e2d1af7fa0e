use lockstep_model::api::operator::{HostBehind, WhyBehind};
use lockstep_model::{
    ChannelName, Content, ContentHash, Delta, DeltaAlgorithm, DeltaDetails, DeltaEnd, HostName,
    Platform, Release, ReleaseDetails, Requires, Role, RolloutId, RolloutState, Suspect,
};

use super::*;
use crate::frame::tests::with_frame;

fn version(text: &str) -> Version {
    Version::parse(text).unwrap()
}

fn platform() -> Platform {
    Platform::parse("linux-x86_64").unwrap()
}

fn release(package: &str, text: &str, hosts: u64) -> ReleaseView {
    ReleaseView {
        release: Release {
            details: ReleaseDetails {
                package: PackageName::parse(package).unwrap(),
                version: version(text),
                platform: platform(),
                unpacked_bytes: 9_000_000,
                entries: 12,
                requires: Requires::default(),
                content: None,
            },
            target: String::new(),
            length: 4_000_000,
            hash: ContentHash::from_digest([7; 32]),
        },
        channels: Vec::new(),
        hosts,
        failed: 0,
        suspect: None,
        deltas: Vec::new(),
    }
}

fn signed(role: &str, expires: &str) -> Signed {
    Signed {
        role: role.into(),
        version: 5,
        expires: expires.parse().unwrap(),
        keys: vec!["0123456789abcdef0123".into()],
    }
}

fn of_package(role: Role, releases: &[ReleaseView]) -> String {
    let name = PackageName::parse("web").unwrap();
    with_frame(role, |frame| {
        package_page(frame, &name, releases, &[], &[], &[])
    })
}

#[test]
fn the_agents_own_package_comes_first_and_versions_newest_first() {
    let releases = [
        release("apple", "1.0.0", 0),
        release("lockstep", "1.9.0", 3),
        release("lockstep", "1.10.0", 0),
    ];
    let page = with_frame(Role::Viewer, |frame| page(frame, &releases, &[], &[]));
    let at = |text: &str| page.find(text).unwrap();
    assert!(at("Package lockstep") < at("Package apple"));
    assert!(at(">1.10.0<") < at(">1.9.0<"));
    assert!(page.contains("the agent itself"));
    assert!(page.contains("Nothing has been signed yet"));
}

#[test]
fn a_version_says_its_size_its_deltas_and_who_runs_it() {
    let end = |text: &str| DeltaEnd {
        version: version(text),
        content: Content {
            hash: ContentHash::from_digest([1; 32]),
            length: 1,
        },
    };
    let delta = Delta {
        details: DeltaDetails {
            package: PackageName::parse("web").unwrap(),
            platform: platform(),
            from: end("1.3.0"),
            to: end("1.4.0"),
            algorithm: DeltaAlgorithm::Bsdiff,
        },
        target: String::new(),
        length: 1_000_000,
        hash: ContentHash::from_digest([2; 32]),
    };
    let release = ReleaseView {
        channels: vec![ChannelName::stable()],
        deltas: vec![delta],
        failed: 1,
        ..release("web", "1.4.0", 40)
    };
    let page = of_package(Role::Operator, &[release]);
    assert!(page.contains("4 MB") && page.contains("9 MB"), "{page}");
    assert!(page.contains("25 %") && page.contains("bsdiff") && page.contains("1.3.0"));
    assert!(page.contains(r#"<a href="/hosts?package=web&amp;version=1.4.0">40 hosts</a> run it"#));
    assert!(page.contains("one host failed on it"));
    assert!(page.contains(r#"action="/releases/web/promote""#));
    assert!(page.contains("lockstep release promote web 1.4.0 --to stable"));
    assert!(!page.contains("even_if_suspect"));
}

#[test]
fn a_suspect_version_says_why_and_can_be_cleared() {
    let release = ReleaseView {
        suspect: Some(Suspect {
            package: PackageName::parse("web").unwrap(),
            version: version("1.4.0"),
            rollout: RolloutId(7),
            why: "3 of 4 <failed>".into(),
            since: "2026-11-22T11:00:00Z".parse().unwrap(),
        }),
        ..release("web", "1.4.0", 0)
    };
    let page = of_package(Role::Operator, std::slice::from_ref(&release));
    assert!(page.contains("3 of 4 &lt;failed&gt;") && !page.contains("<failed>"));
    assert!(page.contains(r#"href="/rollouts/7""#));
    assert!(page.contains(r#"action="/releases/web/clear""#));
    assert!(page.contains("lockstep release clear web 1.4.0 --why WHY"));
    assert!(page.contains(r#"name="even_if_suspect""#));
    assert!(page.contains("--to stable --even-if-suspect"));
    let none = of_package(Role::Viewer, &[release]);
    assert!(!none.contains(r#"action="/releases"#));
}

#[test]
fn what_expires_is_said_in_time() {
    let all = [
        signed("root", "2027-11-22T12:00:00Z"),
        signed("targets", "2026-11-25T12:00:00Z"),
        signed("timestamp", "2026-11-22T18:00:00Z"),
    ];
    let page = with_frame(Role::Viewer, |frame| page(frame, &[], &[], &all));
    assert_eq!(page.matches("⚠ soon").count(), 1, "the publisher's alone");
    assert!(page.contains(r#"<code title="0123456789abcdef0123">0123456789ab</code>"#));
    let late = [signed("targets", "2026-11-22T11:00:00Z")];
    let page = with_frame(Role::Viewer, |frame| super::page(frame, &[], &[], &late));
    assert!(page.contains("⚠ expired: hosts install nothing"));
}

#[test]
fn nothing_published_says_how_it_begins() {
    let page = with_frame(Role::Viewer, |frame| page(frame, &[], &[], &[]));
    for command in [
        "keys init",
        "release build",
        "release publish",
        "release promote",
    ] {
        assert!(page.contains(&format!("lockstep {command}")), "{command}");
    }
    assert!(of_package(Role::Viewer, &[]).contains("No release of web is listed"));
}

#[test]
fn bars_and_channels_lead_to_the_hosts() {
    let host = |name: &str, why| HostBehind {
        host: HostName::parse(name).unwrap(),
        version: Some(version("1.3.0")),
        why,
    };
    let behind = [ChannelBehind {
        package: PackageName::parse("web").unwrap(),
        channel: ChannelName::stable(),
        version: version("1.4.0"),
        followers: 40,
        behind: 3,
        rollout: Some(RolloutId(7)),
        state: Some(RolloutState::Holding),
        hosts: vec![
            host("a", WhyBehind::Waits),
            host("b", WhyBehind::Waits),
            host("c", WhyBehind::Failed),
        ],
    }];
    let releases = [release("web", "1.3.0", 3), release("other", "1.0.0", 0)];
    let all = with_frame(Role::Viewer, |frame| page(frame, &releases, &behind, &[]));
    assert!(
        all.contains(r#"<a href="/hosts?package=web&amp;version=1.3.0">1.3.0</a>"#),
        "{all}"
    );
    assert!(all.contains(r##"<a href="/releases/web#behind-stable"><b>3 of 40 hosts</b> behind"##));
    let name = PackageName::parse("web").unwrap();
    let one = with_frame(Role::Viewer, |frame| {
        package_page(frame, &name, &releases[..1], &behind, &[], &[])
    });
    assert!(one.contains("<b>2</b> waits for its turn") && one.contains("<b>1</b> failed on it"));
    assert!(one.contains(r##"<a href="/hosts/c#host-versions">explained</a>"##));
    assert!(one.contains(r#"<a href="/rollouts/7">rollout 7</a>: holding"#));
    assert!(one.contains("lockstep release behind web"));
}

#[test]
fn how_well_hosts_kept_up_is_drawn_and_told_by_days() {
    let at = |text: &str| text.parse().unwrap();
    let kept_up = [
        KeptUp {
            channel: ChannelName::stable(),
            course: vec![
                (at("2026-11-20T08:00:00Z"), 0.0),
                (at("2026-11-20T18:00:00Z"), 0.75),
                (at("2026-11-22T09:00:00Z"), 1.0),
            ],
            daily: vec![
                (at("2026-11-21T00:00:00Z"), 0.75),
                (at("2026-11-22T12:00:00Z"), 1.0),
            ],
            rollouts: vec![(RolloutId(7), at("2026-11-20T08:00:00Z"))],
        },
        KeptUp {
            channel: ChannelName::parse("edge").unwrap(),
            course: Vec::new(),
            daily: Vec::new(),
            rollouts: Vec::new(),
        },
    ];
    let name = PackageName::parse("web").unwrap();
    let page = with_frame(Role::Viewer, |frame| {
        package_page(frame, &name, &[], &[], &kept_up, &[])
    });
    assert!(
        page.contains("Share of hosts that ran what stable said"),
        "{page}"
    );
    assert!(!page.contains("what edge said"), "nothing is known of it");
    assert!(page.contains(r#"href="/rollouts/7""#) && page.contains("75 %"));
    assert!(page.contains("2026-11-21 00:00:00 UTC"));
    let none = with_frame(Role::Viewer, |frame| {
        package_page(frame, &name, &[], &[], &kept_up[1..], &[])
    });
    assert!(!none.contains("kept-up"));
}
