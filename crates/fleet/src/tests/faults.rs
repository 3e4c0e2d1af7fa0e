//! One line for each kind of mistake: what the file says, and what is said of it.

use super::*;

/// The first line of each error.
pub(super) fn faults(text: &str) -> Vec<String> {
    let Err(errors) = Fleet::parse(vec![("f".into(), text.into())]) else {
        return vec!["no error".into()];
    };
    let shown = errors.shown.iter();
    shown
        .map(|fault| fault.to_string().lines().next().unwrap().to_owned())
        .collect()
}

const TABLE: &[(&str, &[&str])] = &[
    (
        r#"[group.web]
hosts = ["web*"]
itmes = ["cpu_load"]
"#,
        &[r#"f:3:1: unknown key "itmes"; did you mean "items"?"#],
    ),
    (
        r#"itmes = 1
"#,
        &[r#"f:1:1: unknown key "itmes""#],
    ),
    (
        r#"[defaults]
sample = 5
report = "5x"
timeout = "1d"
timezone = "Europe/Zuerich"
"#,
        &[
            r#"f:2:10: "sample" must be a text, not a number"#,
            r#"f:3:10: "5x" is not an interval: the units are ms, s, m, h, d and w; write for example "30s", "5m", "1h30m" or "2d""#,
            r#"f:4:11: timeout = "1d" must be between 10ms and 10m"#,
            r#"f:5:12: "Europe/Zuerich" is not a time zone that this machine knows, as in "UTC" or "Europe/Zurich""#,
        ],
    ),
    (
        r#"[defaults]
sample = "2h"
sampel = "1s"
"#,
        &[
            r#"f:2:10: sample = "2h" must be between 1s and 1h"#,
            r#"f:3:1: unknown key "sampel"; did you mean "sample"?"#,
        ],
    ),
    (
        r#"a = [1,
"#,
        &[r#"f:1:8: unclosed array, expected `]`"#],
    ),
    (
        r#"levels = ["a", "b", "c"]
"#,
        &[r#"f:1:10: there are five levels, best first, not 3"#],
    ),
    (
        r#"levels = ["a", "b", "c", "clear", "e"]
"#,
        &[
            r#"f:1:26: "clear" cannot name a level: clear, for, after, mean are words of fitness functions"#,
        ],
    ),
    (
        r#"[fitness.disk_usage]
sick = ">= 90% für 5m"
"#,
        &[
            r#"f:2:16: "für 5m" is not understood; behind the test may stand: and PROBE TEST, for TIME, clear VALUE, after TIME"#,
        ],
    ),
    (
        r#"[fitness.disk_usage]
sikc = ">= 90%"
fine = "< 5"
"#,
        &[
            r#"f:2:1: unknown level "sikc"; did you mean "sick"?"#,
            r#"f:3:1: "fine" is what is left when no condition holds; it has none of its own"#,
        ],
    ),
    (
        r#"[fitness.disk_usage]
sick = ["> 1%", "is \"a\" >> 5"]
"#,
        &[
            r#"f:2:27: ">> 5" is not understood; behind the test may stand: and PROBE TEST, for TIME, clear VALUE, after TIME"#,
        ],
    ),
    (
        r#"[fitness.disk_usage]
sick = "matches '(a'"
dead = "matches (a"
"#,
        &[
            r#"f:2:8: not a regular expression: found open group without closing ')'"#,
            r#"f:3:8: not a regular expression: found open group without closing ')'"#,
        ],
    ),
    (
        r#"[fitness.disk_usage]
sick = ">= 90% and disk_fre < 5GB"
"#,
        &[r#"f:2:20: there is no probe "disk_fre"; did you mean "disk_free"?"#],
    ),
    (
        r#"[fitness.disk_usage]
sick = ">= 90%"
critical = ">= 85%"
"#,
        &[
            r#"f:2:8: sick is never reached: whenever ">= 90%" holds, ">= 85%" of critical holds as well"#,
        ],
    ),
    (
        r#"[fitness.disk_usage]
soso = ">= 80%"
sick = ">= 5GB"
"#,
        &[
            r#"f:3:8: 5000000000bytes and 80% are compared with the same item, and have different units"#,
        ],
    ),
    (
        r#"[fitness.disk_usage]
sick = ">= 80%"
clear = "2GB"
"#,
        &[r#"f:3:9: clear 2000000000bytes and 80% at f:2:8 have different units"#],
    ),
    (
        r#"[fitness.disk_usage]
sick = "none"
clear = "2%"
for = "5m"
"#,
        &[
            r#"f:3:1: clear does nothing: no comparison here is without its own"#,
            r#"f:4:1: for does nothing: no comparison here is without its own"#,
        ],
    ),
    (
        r#"[fitness.disk_usage]
sick = ">= 80%"
clear = "-2%"
for = 1
mean = "0.1s"
"#,
        &[
            r#"f:3:9: clear is a distance from the threshold, so it is above 0"#,
            r#"f:4:7: for must be between 2 and 10000"#,
            r#"f:5:8: mean = "100ms" must be between 1s and 30d"#,
        ],
    ),
    (
        r#"[fitness.disk_usage]
mean = "5m"
"#,
        &[r#"f:1:10: a fitness function needs a condition for at least one level"#],
    ),
    (
        r#"[fitness.disk_usgae]
sick = "> 5"
"#,
        &[
            r#"f:1:10: fitness function "disk_usgae" judges nothing: it names no probe, and no item refers to it; did you mean "disk_usage"?"#,
        ],
    ),
    (
        r#"[item."cpu_load"]
fitness = "mine"
"#,
        &[r#"f:2:11: there is no fitness function "mine""#],
    ),
    (
        r#"[item."cpu_laod"]
every = "5s"
"#,
        &[r#"f:1:7: there is no probe "cpu_laod"; did you mean "cpu_load"?"#],
    ),
    (
        r#"[item."http:*"]
statsu = 200
status = true
expect = "x"
"#,
        &[
            r#"f:2:1: unknown option "statsu"; did you mean "status"?"#,
            r#"f:3:10: status: a text or a list of texts is expected"#,
            r#"f:4:1: unknown option "expect""#,
        ],
    ),
    (
        r#"[item."log:/var/log/x"]
pattern = "(a"
"#,
        &[r#"f:2:11: pattern: not a regular expression: found open group without closing ')'"#],
    ),
    (
        r#"[item."cpu_load"]
"#,
        &[
            r#"f:1:7: nothing is set here; to watch an item, name it in the items of a group or a host"#,
        ],
    ),
    (
        r#"[item."*/var"]
every = "5s"
"#,
        &[
            r#"f:1:7: "*/var" has no colon between the probe and what it looks at; for all probes write "*:*/var""#,
        ],
    ),
    (
        r#"[defaults]
items = ["disk_*:/var", "cpu load", "cpu_load", "cpu_load"]
"#,
        &[
            r#"f:2:10: "disk_*:/var" does not say which probe is meant: patterns may stand behind the colon, as in "disk_usage:*""#,
            r#"f:2:25: there is no probe "cpu load"; did you mean "cpu_load"?"#,
            r#"f:2:49: "cpu_load" stands in this list twice"#,
        ],
    ),
    (
        r#"[group.web]
items = ["cpu_load"]
"#,
        &[
            r#"f:1:8: a group needs hosts: names, patterns such as "web*", or labels such as "role=web""#,
        ],
    ),
    (
        r#"[group.web]
hosts = []
"#,
        &[r#"f:2:9: a group without hosts does nothing"#],
    ),
    (
        r#"[group.web]
hosts = ["Web1", "web_ *", "role=web"]
"#,
        &[
            r#"f:2:10: "Web1" is not a host name: 'W' is not allowed, only a-z, 0-9, '.', '_' and '-'"#,
            r#"f:2:18: ' ' stands in no name of a host, so "web_ *" matches none"#,
            r#"f:2:28: no host has the label "role=web""#,
        ],
    ),
    (
        r#"[group.web]
hosts = ["role=wbe"]
[host.a]
labels = { role = "web" }
"#,
        &[r#"f:2:10: no host has the label "role=wbe"; did you mean "role=web"?"#],
    ),
    (
        r#"[group."a b"]
hosts = ["x"]
"#,
        &[r#"f:1:8: "a b" is not a name: it has 1 to 64 letters, digits, '_', '.' or '-'"#],
    ),
    (
        r#"[host.web1.example.org]
sample = "30s"
"#,
        &[r#"f:1:12: unknown key "example""#],
    ),
    (
        r#"[host.Web1]
"#,
        &[
            r#"f:1:7: "Web1" is not a host name: 'W' is not allowed, only a-z, 0-9, '.', '_' and '-'"#,
        ],
    ),
    (
        r#"[host.ups1]
via = "web1"
items = ["ping"]
"#,
        &[r#"f:2:7: there is no host "web1""#],
    ),
    (
        r#"[host.web1]
[host.ups1]
via = "web1"
items = ["ping"]
[host.ups2]
via = "ups1"
items = ["cpu_load"]
"#,
        &[
            r#"f:6:7: "ups1" has no agent itself, it is watched by another host"#,
            r#"f:7:10: "cpu_load" can only be read on the host itself, and this one has no agent"#,
        ],
    ),
    (
        r#"[host.web1]
[host.ups1]
via = "wbe1"
address = "1.2.3.4:80"
report = "5m"
"#,
        &[
            r#"f:2:7: nothing is watched here: give it items that can be seen from outside, such as "ping""#,
            r#"f:3:7: there is no host "wbe1"; did you mean "web1"?"#,
            r#"f:4:11: "1.2.3.4:80" is neither a name nor an address; write for example "192.0.2.7", without a port"#,
            r#"f:5:10: a host without an agent sends no reports"#,
        ],
    ),
    (
        r#"[host.a]
address = "1.2.3.4"
snmp = { version = "1", port = 0, community = "public" }
"#,
        &[
            r#"f:3:1: snmp is for hosts that another one watches: via is missing"#,
            r#"f:3:1: snmp needs secret, as in snmp = { version = "2c", secret = "printers" }"#,
            r#"f:3:20: "1" is not a version of SNMP: "2c" or "3""#,
            r#"f:3:32: port must be between 1 and 65535"#,
            r#"f:3:35: unknown key "community""#,
        ],
    ),
    (
        r#"[host.a]
via = "b"
snmp = { version = "3", secret = "pa ss" }
items = ["ping"]
[host.b]
"#,
        &[
            r#"f:3:34: a secret is named here, by 1 to 64 letters, digits, '.', '_' or '-'; it stands in secrets.toml of the watching host"#,
        ],
    ),
    (
        r#"[host.a]
depends = ["a", "c"]
"#,
        &[
            r#"f:2:12: a host cannot depend on itself"#,
            r#"f:2:17: there is no host "c""#,
        ],
    ),
    (
        r#"[host.a]
depends = ["b"]
[host.b]
depends = ["c"]
[host.c]
depends = ["a"]
"#,
        &[r#"f:6:12: these hosts depend on each other in a circle: a -> b -> c -> a"#],
    ),
    (
        r#"[group.a]
hosts = ["*"]
sample = "1m"
[group.b]
hosts = ["web*"]
sample = "2m"
"#,
        &[
            r#"f:6:10: groups "b" and "a" say different things of hosts that match both "*" and "web*": sample is "2m" here, and "1m" at f:3:10"#,
        ],
    ),
    (
        r#"[group.a]
hosts = ["web1", "db1"]
item."cpu_load".fitness = { sick = "> 1" }
[group.b]
hosts = ["web*"]
item."cpu_load".fitness = { sick = "> 2" }
"#,
        &[
            r#"f:6:17: groups "b" and "a" say different things of web1: fitness of "cpu_load" is "sick > 2" here, and "sick > 1" at f:3:17"#,
        ],
    ),
    (
        r#"[group.a]
hosts = ["web1"]
items = ["cpu_load"]
[group.b]
hosts = ["web1"]
without = ["cpu*"]
"#,
        &[
            r#"f:6:12: groups "b" and "a" say different things of web1: watching of "cpu*" is taken away here, and watched at f:3:10"#,
        ],
    ),
    (
        r#"[group.a]
hosts = ["web1"]
without = ["disk_usage:/mnt/*", "ping"]
"#,
        &[
            r#"f:3:12: "disk_usage:*" is watched as a whole, and a part of it cannot be taken away: take away "disk_usage:*", and name in items what is to stay"#,
            r#"f:3:33: "ping" takes nothing away: no such item is inherited"#,
        ],
    ),
    (
        r#"[user.ann]
"#,
        &[r#"f:1:7: this user cannot be reached: give it mail, webhook or ntfy"#],
    ),
    (
        r#"[user.ann]
mail = "ann"
ntfy = "ntfy.example.org"
secret_file = "x"
exec = ["/bin/x"]
"#,
        &[
            r#"f:2:8: "ann" is not a mail address, as in "ann@example.org""#,
            r#"f:3:8: "ntfy.example.org" is not an address on the web, as in "https://hooks.example.org/x""#,
            r#"f:4:1: secret_file does nothing without webhook"#,
            r#"f:4:15: "x" is not a path from the root of the server, as in "/etc/lockstep/token""#,
            r#"f:5:1: unknown key "exec""#,
        ],
    ),
    (
        r#"[receiver.r]
template = { url = "https://x", methd = "POST", headers = { "a b" = "x" } }
exec = ["page"]
"#,
        &[
            r#"f:2:1: a template needs body"#,
            r#"f:2:33: unknown key "methd"; did you mean "method"?"#,
            r#"f:2:61: "a b" is not the name of a header"#,
            r#"f:3:9: "page" is not a path from the root of the server, as in "/etc/lockstep/token""#,
        ],
    ),
    (
        r#"[user.ann]
mail = "a@b"
fallback = "bob"
[user.bob]
mail = "b@b"
fallback = "ann"
[receiver.ann]
mail = "c@b"
"#,
        &[
            r#"f:3:12: "ann" falls back on itself in the end"#,
            r#"f:6:12: "bob" falls back on itself in the end"#,
            r#"f:7:11: "ann" is the name of a user, and with that it is defined twice; first at f:1:7"#,
        ],
    ),
    (
        r#"[user.ann]
mail = "a@b"
[alert.x]
to = ["anne", "mail:x"]
when = { group = "web", level = ">= sikc", hosts = ["A"], item = "cpu_laod", hours = "Moon" }
escalate = [{ after = "5m" }]
"#,
        &[
            r#"f:4:7: there is no user or receiver "anne"; did you mean "ann"?"#,
            r#"f:4:15: "x" is not a mail address, as in "ann@example.org""#,
            r#"f:5:18: there is no group "web""#,
            r#"f:5:33: ">= sikc" is not a test of a level, as in ">= sick"; the levels are fine, soso, sick, critical, dead"#,
            r#"f:5:53: "A" is not a host name: 'A' is not allowed, only a-z, 0-9, '.', '_' and '-'"#,
            r#"f:5:66: there is no probe "cpu_laod"; did you mean "cpu_load"?"#,
            r#"f:5:86: "Moon" is not a stretch of hours, as in "Mon-Fri 08:00-18:00""#,
            r#"f:6:13: an escalation needs after and to, as in { after = "30m", to = ["boss"] }"#,
        ],
    ),
    (
        r#"[alert.x]
when = { level = ">= fine" }
"#,
        &[
            r#"f:1:8: an alert needs to: who is told"#,
            r#"f:2:18: this is true of fine as well, so a problem would never end"#,
        ],
    ),
    (
        r#"[user.ann]
mail = "a@b"
[alert.x]
to = ["ann"]
when = { level = ">= critical", to = "sick", from = "> dead" }
"#,
        &[
            r#"f:5:38: nothing can come of this: none of these levels is a problem by level, which is ">= sick" when left out"#,
            r#"f:5:53: no level is meant by this"#,
        ],
    ),
    (
        r#"[alerts]
most = 0
wait = "2d"
"#,
        &[
            r#"f:2:8: most must be between 1 and 200"#,
            r#"f:3:8: wait = "2d" must be between 100ms and 1d"#,
        ],
    ),
    (
        r#"[history]
raw = "90d"
mid = "2d"
"#,
        &[
            r#"f:3:7: what is coarser is kept at least as long: raw 90d, mid 2d, long 730d do not rise"#,
        ],
    ),
    (
        r#"[silence.x]
groups = ["web"]
"#,
        &[
            r#"f:1:10: a silence needs hours"#,
            r#"f:1:10: a silence needs reason"#,
            r#"f:2:11: there is no group "web""#,
        ],
    ),
    (
        r#"[group.web]
hosts = ["a"]
packages = { lockstep = "stable" }
"#,
        &[r#"f:3:1: unknown key "packages""#],
    ),
    (
        r#"group = 5
[[alert]]
to = "x"
"#,
        &[
            r#"f:1:9: "group" must be a table, not a number"#,
            r#"f:2:1: "alert" must be a table, not a list"#,
        ],
    ),
    (
        r#"[host.a]
labels = { role = 5 }
items = "ping"
"#,
        &[
            r#"f:2:19: "role" must be a text, not a number"#,
            r#"f:3:9: "items" must be a list, not a text"#,
        ],
    ),
];

#[test]
fn each_mistake_is_told_with_its_place() {
    for (text, expected) in TABLE {
        assert_eq!(faults(text), *expected, "{text}");
    }
}

#[test]
fn an_error_is_shown_as_compilers_do_it() {
    let texts = [
        ("fleet.toml", "[defaults]\nsample = \"1m\"\n[group.x\n"),
        (
            "fleet.d/web.toml",
            "[group.web]\nhosts = [\"web1\"]\n\titmes = [\"cpu_load\"]\n",
        ),
    ];
    let texts = texts.map(|(name, text)| (name.to_owned(), text.to_owned()));
    let errors = Fleet::parse(texts.into()).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "fleet.toml:3:9: unclosed table, expected `]`\n  |\n3 | [group.x\n  |         ^\n\n\
         fleet.d/web.toml:3:2: unknown key \"itmes\"; did you mean \"items\"?\n  |\n\
         3 | \titmes = [\"cpu_load\"]\n  | \t^^^^^\n  \
         = known here: hosts, priority, item, items, without, sample, report, depends, owner, links"
    );
}

#[test]
fn a_broken_text_does_not_make_names_unknown() {
    let texts = [
        ("a", "[user.ann\nmail = \"a@b\"\n"),
        ("b", "[alert.x]\nto = [\"ann\"]\nhosts = 5\n"),
    ];
    let texts = texts.map(|(name, text)| (name.to_owned(), text.to_owned()));
    let errors = Fleet::parse(texts.into()).unwrap_err();
    let places: Vec<String> = errors
        .shown
        .iter()
        .map(|fault| fault.place.as_ref().unwrap().to_string())
        .collect();
    assert_eq!(places, ["a:1:10", "b:3:1"], "{errors}");
}

#[test]
fn very_many_errors_are_counted() {
    let text: String = (0..20_000).map(|index| format!("k{index} = 1\n")).collect();
    let errors = Fleet::parse(vec![("f".into(), text)]).unwrap_err();
    assert_eq!((errors.shown.len(), errors.more), (Errors::MOST, 19_800));
    assert!(errors.to_string().ends_with("\n\nand 19800 more"));
    let texts = (0..300).map(|index| (format!("{index}"), String::new()));
    let errors = Fleet::parse(texts.collect()).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "there are 300 files; at most 256 are read"
    );
}

#[test]
fn definitions_and_keys_of_two_files_are_told_with_both_places() {
    let texts = [
        (
            "a",
            "levels = [\"a\", \"b\", \"c\", \"d\", \"e\"]\n[host.web1]\n[defaults]\nsample = \"1m\"\n",
        ),
        (
            "b",
            "levels = [\"a\", \"b\", \"c\", \"d\", \"e\"]\n[host.web1]\n[defaults]\nsample = \"2m\"\n",
        ),
    ];
    let texts = texts.map(|(name, text)| (name.to_owned(), text.to_owned()));
    let errors = Fleet::parse(texts.into()).unwrap_err();
    let messages: Vec<String> = errors
        .shown
        .iter()
        .map(|fault| fault.to_string().lines().next().unwrap().to_owned())
        .collect();
    assert_eq!(
        messages,
        [
            "b:1:1: the levels are defined twice; first at a:1:1",
            "b:2:7: host \"web1\" is defined twice; first at a:2:7",
            "b:4:1: sample is defined twice; first at a:4:1"
        ]
    );
}
