//! Who follows what, and how rollouts go.

use std::collections::BTreeMap;

use lockstep_model::{ChannelName, Follow, PackageName, Strategy, Version, WaveSize};

use super::*;

fn said(labels: &[(&str, &str)]) -> BTreeMap<String, String> {
    let labels = labels.iter();
    labels
        .map(|(key, value)| ((*key).into(), (*value).into()))
        .collect()
}

/// `package channel rule`, for each.
fn follows(fleet: &Fleet, name: &str, says: &[(&str, &str)]) -> Vec<String> {
    let follows = fleet.follows(&host(name), &said(says));
    let lines = follows.iter().map(|follow| {
        let rule = follow.rule.as_deref().unwrap_or("-");
        format!(
            "{} {} by {rule}",
            follow.package,
            follow_in_words(follow).trim_start_matches("channel ")
        )
    });
    lines.collect()
}

#[test]
fn without_a_rule_each_host_follows_the_agent() {
    let fleet = fleet("[group.web]\nhosts = [\"web1\"]\n");
    assert!(!fleet.has_follow_rules());
    assert_eq!(
        fleet.follows(&host("web1"), &BTreeMap::new()),
        [Follow::agent()]
    );
    let stable = ChannelName::stable();
    assert_eq!(fleet.strategy(&PackageName::lockstep(), &stable), None);
    let explained = fleet.explain_follows(&host("web1"), &BTreeMap::new());
    assert_eq!(
        (explained[0].by.as_str(), &explained[0].place),
        ("default", &None)
    );
}

#[test]
fn hosts_are_chosen_by_name_pattern_group_label_or_not_at_all() {
    let fleet = fleet(
        r#"
        [group.db]
        hosts = ["db*", "os=Debian*", "role=db"]
        [host.web1]
        labels = { class = "web", os = "by hand" }
        [host.cache1]
        labels = { role = "db" }
        [host.ups1]
        via = "web1"
        items = ["ping"]
        [host.other]
        labels = { os = "Debian 11" }
        [follow.driveclient]
        [follow.by-label]
        package = "driveclient"
        channel = "label"
        labels = ["class=web", "os=Debian*"]
        [follow.by-group]
        package = "driveclient"
        channel = "group"
        groups = "db"
        [follow.by-pattern]
        package = "driveclient"
        channel = "pattern"
        hosts = ["*1", "db1?"]
        [follow.by-name]
        package = "driveclient"
        channel = "name"
        hosts = ["db1", "zz*"]
        pin = "1.4.2"
        [follow.lockstep]
        channel = "beta"
        hosts = ["web1"]
        "#,
    );
    assert!(fleet.has_follow_rules());
    let all = |name: &str, says: &[(&str, &str)]| follows(&fleet, name, says).join("; ");
    assert_eq!(
        all("web9", &[]),
        "driveclient stable by driveclient; lockstep stable by -"
    );
    assert_eq!(
        all("web9", &[("os", "Debian GNU/Linux 13")]),
        "driveclient label by by-label; lockstep stable by -"
    );
    // The file's labels win over what a host says: here it is no Debian, and the class speaks for it.
    assert_eq!(
        fleet.explain_follows(&host("web1"), &said(&[("os", "Debian 13")]))[0].by,
        "hosts *1"
    );
    assert_eq!(
        all("web1", &[]),
        "driveclient pattern by by-pattern; lockstep beta by lockstep"
    );
    // What a host says of itself makes it no member of a group; labels of the file do.
    assert_eq!(
        all("any", &[("role", "db")]),
        "driveclient stable by driveclient; lockstep stable by -"
    );
    assert_eq!(
        all("other", &[]),
        "driveclient group by by-group; lockstep stable by -"
    );
    assert_eq!(
        all("db2", &[("os", "Debian 13")]),
        "driveclient group by by-group; lockstep stable by -"
    );
    assert_eq!(
        all("db1", &[]),
        "driveclient name, held at 1.4.2 by by-name; lockstep stable by -"
    );
    assert_eq!(
        all("db12", &[]),
        "driveclient pattern by by-pattern; lockstep stable by -"
    );
    // Nobody would see to it there.
    assert_eq!(all("ups1", &[("os", "Debian 13")]), "");
    let explained = &fleet.explain_follows(&host("db1"), &said(&[("os", "Debian")]))[0];
    assert_eq!(explained.by, "host db1");
    assert_eq!(
        explained.place.as_ref().unwrap().to_string(),
        "fleet.toml:26:17"
    );
    assert_eq!(
        explained.instead_of,
        ["by-group", "by-label", "by-pattern", "driveclient"]
    );
    let pin = explained.follow.pin.clone();
    assert_eq!(pin, Some(Version::parse("1.4.2").unwrap()));
}

#[test]
fn of_rules_that_are_alike_priority_counts_and_then_the_first_name() {
    let fleet = fleet(
        r#"
        [follow.a]
        package = "x"
        channel = "a"
        labels = ["os=*"]
        [follow.b]
        package = "x"
        channel = "b"
        labels = ["kernel=6*"]
        [follow.c]
        package = "x"
        channel = "c"
        hosts = ["web*"]
        [follow.d]
        package = "x"
        channel = "d"
        hosts = ["web?"]
        [follow.e]
        package = "x"
        channel = "e"
        hosts = ["*"]
        [follow.f]
        package = "x"
        channel = "f"
        hosts = ["web9*"]
        priority = -1
        [follow.g]
        package = "x"
        channel = "g"
        labels = ["os=Alpine*"]
        priority = 1
        "#,
    );
    let wins = |name: &str, says: &[(&str, &str)], rule: &str| {
        let found = follows(&fleet, name, says);
        assert_eq!(found.last().unwrap(), &format!("x {rule} by {rule}"));
    };
    wins("db1", &[("os", "Debian"), ("kernel", "6.1")], "a");
    wins("db1", &[("kernel", "6.1")], "b");
    wins("web12", &[("os", "Debian")], "c");
    // They pin down as much as each other.
    wins("web1", &[], "c");
    // Stars alone are everybody, and anything is more particular than that.
    wins("db1", &[], "e");
    wins("web9", &[], "c");
    wins("web1", &[("os", "Alpine Linux")], "g");
}

#[test]
fn a_channel_has_the_strategy_that_it_names() {
    let fleet = fleet(
        r#"
        [defaults]
        timezone = "Europe/Zurich"
        [host.web1]
        labels = { rack = "a1", site = "zrh" }
        [strategy.careful]
        waves = [
          1, "1%",   # one percent
          "10%", "100%",
        ]
        bake = "10m"
        urgent_bake = '1m'
        domain = "rack"
        spread = "6h:50%, 14h:100%"
        hours = "Mon-Thu 09:00-16:00"
        blackouts = ["2026-12-20..2027-01-06"]
        in_flight = "5% min 2"
        fit = "80%"
        site = "site"
        site_bytes = "500MB"
        late = "at-once"
        failed = 0
        on_failed = "roll-back-wave"
        silent = "1%"
        on_silent = "halt"
        worse = "2% min 3"
        on_worse = "halt"
        compare = "0.5%"
        on_compare = "roll-back"
        items = ["disk_usage:*", "cpu_load"]
        [strategy.quick]
        canaries = 2
        compare = "off"
        zone = "UTC"
        hours = "Sun"
        [channel.stable]
        strategy = "careful"
        [channel.beta]
        strategy = "quick"
        [follow.lockstep]
        channel = "beta"
        labels = ["os=Debian*"]
        "#,
    );
    let strategy = |name: &str| {
        let channel = ChannelName::parse(name).unwrap();
        fleet.strategy(&PackageName::lockstep(), &channel).unwrap()
    };
    let careful = strategy("stable");
    assert_eq!(
        careful.waves,
        [
            WaveSize::Count(1),
            WaveSize::share(1),
            WaveSize::share(10),
            WaveSize::ALL
        ]
    );
    assert_eq!(careful.windows.zone, "Europe/Zurich");
    assert_eq!(careful.domain.as_deref(), Some("rack"));
    assert_eq!(careful.site_bytes, Some(500_000_000));
    // All keys are there, and each is said again in words.
    let words = strategy_in_words(careful);
    let mut keys: Vec<&str> = crate::parse::strategy::keys()
        .filter(|&key| key != "canaries")
        .collect();
    keys.sort_unstable();
    assert_eq!(words.keys().collect::<Vec<_>>(), keys);
    assert_eq!(words["waves"], "1, 1%, 10%, 100%");
    assert_eq!(words["on_failed"], "roll-back-wave");
    let quick = strategy("beta");
    assert_eq!(quick.waves, [WaveSize::Count(2), WaveSize::ALL]);
    assert_eq!((quick.compare, quick.windows.zone.as_str()), (None, "UTC"));
    assert_eq!(fleet.strategies().count(), 2);
    let unnamed = ChannelName::parse("other").unwrap();
    assert_eq!(fleet.strategy(&PackageName::lockstep(), &unnamed), None);
}

#[test]
fn words_of_gates_are_those_of_the_model() {
    for then in lockstep_model::Then::ALL {
        fleet(&format!(
            "[strategy.x]\non_failed = \"{then}\"\n[channel.stable]\nstrategy = \"x\"\n"
        ));
    }
    let defaults = fleet("[strategy.x]\n[channel.stable]\nstrategy = \"x\"\n");
    let (_, strategy) = defaults.strategies().next().unwrap();
    assert_eq!(*strategy, Strategy::default());
}

#[test]
fn a_difference_names_follows_strategies_and_rules() {
    let old = fleet(
        "[host.db1]\n[host.web1]\n[strategy.x]\nbake = \"5m\"\n[channel.stable]\nstrategy = \"x\"\n\
         [follow.driveclient]\nhosts = [\"web1\"]\n",
    );
    let new = fleet(
        "[host.db1]\n[host.web1]\n[strategy.x]\nbake = \"10m\"\n[strategy.y]\nbake = \"10m\"\n\
         [channel.stable]\nstrategy = \"y\"\n[channel.beta]\nstrategy = \"x\"\n\
         [follow.lockstep]\nchannel = \"beta\"\n[follow.db]\npackage = \"lockstep\"\nhosts = [\"db*\", \"db1\"]\npin = \"1.4.2\"\n\
         [follow.os]\npackage = \"x\"\nlabels = [\"os=Debian*\"]\npriority = 2\n",
    );
    let hosts = [host("db1"), host("web1")];
    let diff = old.diff(&new, &hosts);
    let text = diff.to_string();
    for part in [
        "db1:\n  ~ follows lockstep: channel stable -> channel stable, held at 1.4.2\n\n",
        "web1:\n  ~ follows driveclient: channel stable -> nothing\n  ~ follows lockstep: channel stable -> channel beta\n\n",
        "hosts that the file does not name:\n  ~ follows lockstep: channel stable -> channel beta\n\n",
        "rollouts:\n  ~ channel beta strategy: nothing -> x\n  ~ channel stable strategy: x -> y\n",
        "  ~ follow db hosts: nothing -> db1, db*\n  ~ follow db package: nothing -> lockstep\n  ~ follow db pin: nothing -> 1.4.2\n",
        "  ~ follow driveclient channel: stable -> nothing\n",
        "  ~ follow os labels: nothing -> os=Debian*\n",
        "  ~ follow os priority: nothing -> 2\n",
        "  ~ strategy x bake: 5m -> 10m\n  ~ strategy y bake: nothing -> 10m\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(new.diff(&new, &hosts).is_empty());
    // A rule alone is a difference, though no host of the file is concerned.
    let only = old.diff(
        &fleet(
            "[host.db1]\n[host.web1]\n[strategy.x]\nbake = \"5m\"\n[channel.stable]\nstrategy = \"x\"\n\
             [follow.driveclient]\nhosts = [\"web1\"]\n[follow.y]\nhosts = [\"zz*\"]\n",
        ),
        &hosts,
    );
    assert!(only.hosts.is_empty() && !only.is_empty());
}

/// Ten rules of ten packages, among ten thousand hosts. In a debug build, so the bound is a wide one; what it keeps out
/// is work that grows with the fleet.
#[test]
fn a_host_is_answered_quickly() {
    use std::fmt::Write;
    let mut text = String::new();
    for number in 0..10_000 {
        writeln!(
            text,
            "[host.h{number}]\nlabels = {{ class = \"c{}\" }}",
            number % 7
        )
        .unwrap();
    }
    for number in 0..10 {
        writeln!(
            text,
            "[group.g{number}]\nhosts = [\"h*{number}\", \"class=c{}\"]\n\
             [follow.p{number}]\nhosts = [\"web*\", \"h{number}*\"]\ngroups = [\"g{number}\"]\nlabels = [\"os=Debian*\"]",
            number % 7
        )
        .unwrap();
    }
    let fleet = fleet(&text);
    let says = said(&[("os", "Debian GNU/Linux 13"), ("kernel", "6.12")]);
    let names: Vec<_> = (0..10_000)
        .map(|number| host(&format!("h{number}")))
        .collect();
    let began = std::time::Instant::now();
    let followed: usize = names
        .iter()
        .map(|name| fleet.follows(name, &says).len())
        .sum();
    let each = began.elapsed() / 10_000;
    assert_eq!(followed, 11 * 10_000);
    println!("{each:?} for each host");
    assert!(each < std::time::Duration::from_micros(200), "{each:?}");
}
