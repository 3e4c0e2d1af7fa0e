//! The same for strategies, channels, and who follows what.

use super::faults::faults;

const TABLE: &[(&str, &[&str])] = &[
    (
        r#"[strategy.x]
wave = ["1"]
waves = ["1", "many", "100%"]
bake = 5
domain = "rakc"
late = "at-onec"
on_failed = "rollback"
in_flight = 2.5
site_bytes = "500"
items = ["disk_usgae:*"]
[channel.stable]
strategy = "y"
[channel.Beta]
[host.web1]
labels = { rack = "a1" }
"#,
        &[
            r#"f:2:1: unknown key "wave"; did you mean "waves"?"#,
            r#"f:3:15: "many" is not"#,
            r#"f:4:8: "bake" must be a text, not a number"#,
            r#"f:6:8: unknown late "at-onec"; did you mean "at-once"?"#,
            r#"f:7:13: unknown on_failed "rollback"; did you mean "roll-back"?"#,
            r#"f:8:13: "in_flight" is a number of hosts such as 3, or a share of them such as "2%""#,
            r#"f:9:14: site_bytes = "#,
            r#"f:10:10: there is no probe "disk_usgae"; did you mean "disk_usage"?"#,
            r#"f:12:12: there is no strategy "y""#,
            r#"f:13:10: "Beta" is not a channel name"#,
            r#"f:13:10: a channel needs strategy: the name of a [strategy.NAME]"#,
        ],
    ),
    (
        r#"[strategy.a]
waves = ["1", "100%"]
canaries = 2
[strategy.b]
site_bytes = 5
[strategy.c]
waves = ["10%", "5%", "100%"]
bake = "60d"
[strategy.d]
zone = "Europe/Zurich"
site = "rack"
compare = "off"
on_compare = "hold"
[strategy.e]
hours = "Moon"
blackouts = ["christmas"]
spread = "6h:50%"
failed = "-1"
compare = "90%"
waves = []
items = []
[strategy.f]
domain = "rakc"
zone = "Mars"
hours = "Sun"
[channel.stable]
strategy = "a"
[channel.x1]
strategy = "b"
[host.web1]
labels = { rack = "a1" }
"#,
        &[
            r#"f:3:1: canaries is short for waves"#,
            r#"f:5:1: site_bytes needs site"#,
            r#"f:7:9: the sizes of waves count all hosts so far and must grow"#,
            r#"f:8:8: a bake time is at most 30d"#,
            r#"f:9:11: no channel has strategy "d""#,
            r#"f:10:1: zone does nothing without hours or blackouts"#,
            r#"f:11:1: site does nothing without site_bytes, the limit for each site"#,
            r#"f:13:1: on_compare does nothing beside compare = "off""#,
            r#"f:15:9: "Moon" is not a stretch of hours"#,
            r#"f:16:14: "christmas""#,
            r#"f:17:10: "6h:50%" is not a curve"#,
            r#"f:18:10: "-1" is not"#,
            r#"f:19:11: compare = "90%""#,
            r#"f:20:9: waves has 1 to 32 sizes"#,
            r#"f:21:9: no item is named here"#,
            r#"f:24:8: "Mars""#,
            r#"f:28:10: no host follows channel "x1""#,
        ],
    ),
    (
        r#"[strategy.a]
domain = "rakc"
[strategy.b]
[channel.stabel]
strategy = "a"
[channel.beta]
strategy = "a"
[follow.x]
channel = "beta"
[host.web1]
labels = { rack = "a1" }
"#,
        &[
            r#"f:2:10: domain = "rakc": no host has a label of that name; did you mean "rack"?"#,
            r#"f:3:11: no channel has strategy "b""#,
            r#"f:4:10: no host follows channel "stabel"; did you mean "stable"?"#,
        ],
    ),
    (
        r#"[group.web]
hosts = ["web1"]
[host.web1]
labels = { class = "web" }
[host.ups1]
via = "web1"
items = ["ping"]
[follow.driveclient]
chanel = "beta"
channel = "Beta"
pin = "1.4"
hosts = ["web1", "wbe1", "ups1", "role=db", "Web*"]
groups = ["wbe"]
labels = ["clas=web", "os=Debian*", "class", "site="]
priority = 5000
[follow.os]
hosts = []
[follow."a b"]
[follow."é"]
groups = []
labels = []
[follow.y]
package = "y z"
"#,
        &[
            r#"f:9:1: unknown key "chanel"; did you mean "channel"?"#,
            r#"f:10:11: "Beta" is not a channel name"#,
            r#"f:11:7: "1.4" is not a version such as "1.4.0""#,
            r#"f:12:34: a label stands in labels, as in labels = ["role=db"]"#,
            r#"f:12:45: 'W' stands in no name of a host, so "Web*" matches none"#,
            r#"f:13:11: there is no group "wbe"; did you mean "web"?"#,
            r#"f:14:11: no host has the label "clas=web"; did you mean "class=web"?"#,
            r#"f:14:37: a label is written as in "role=web""#,
            r#"f:14:46: a label is written as in "role=web""#,
            r#"f:15:12: priority must be between -1000 and 1000"#,
            r#"f:16:9: "os" stands for the operating system as a whole, which has no channels"#,
            r#"f:17:9: no host is named here; left out, all hosts are meant"#,
            r#"f:18:9: "a b" is not a name"#,
            r#"f:19:9: "é" is not a package name"#,
            r#"f:20:10: no group is named here; left out, all hosts are meant"#,
            r#"f:21:10: no label is named here; left out, all hosts are meant"#,
            r#"f:23:11: "y z" is not a package name"#,
        ],
    ),
    (
        r#"[host.web1]
[host.ups1]
via = "web1"
items = ["ping"]
[follow.driveclient]
hosts = ["web1", "wbe1", "ups1"]
"#,
        &[
            r#"f:6:18: there is no host "wbe1"; did you mean "web1"?"#,
            r#"f:6:26: "ups1" has no agent, which would follow it"#,
        ],
    ),
    (
        r#"[host.web1]
[host.web2]
[package.driveclient]
hosts = ["web*"]
[follow.d]
package = "driveclient"
hosts = ["web2"]
[follow.other]
"#,
        &[
            r#"f:5:9: web2 follows package "driveclient", and its package manager keeps it current, too; see f:3:10"#,
        ],
    ),
    (
        "strategy = 5\n[channel]\nx = \"1\"\n[follow.lockstep]\nhosts = 5\n",
        &[
            r#"f:1:12: "strategy" must be a table, not a number"#,
            r#"f:3:5: "x" must be a table, not a text"#,
            r#"f:5:9: "hosts" must be a text or a list of texts, not a number"#,
        ],
    ),
];

#[test]
fn each_mistake_about_rollouts_is_told_with_its_place() {
    let wrong: Vec<String> = TABLE
        .iter()
        .filter_map(|(text, expected)| {
            let found = faults(text);
            let pairs = || found.iter().zip(*expected);
            let good = found.len() == expected.len()
                && pairs().all(|(found, begin)| found.starts_with(begin));
            (!good).then(|| format!("{text}\n{found:#?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_more_packages_are_followed_than_a_host_can() {
    let rules: String = (0..64)
        .map(|number| format!("[follow.p{number:02}]\n"))
        .collect();
    assert_eq!(
        faults(&rules),
        ["f:64:9: at most 64 packages are followed, the agent among them"]
    );
    let with_the_agent = rules.replace("[follow.p63]", "[follow.lockstep]");
    assert_eq!(faults(&with_the_agent), ["no error"]);
}
