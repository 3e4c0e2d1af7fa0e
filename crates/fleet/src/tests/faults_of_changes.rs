//! The same for locks and packages.

use super::faults::faults;

const TABLE: &[(&str, &[&str])] = &[
    (
        r#"[group.db]
hosts = ["db1", "db2"]
[lock.db]
capactiy = 2
capacity = 0
group = "bd"
counts = ["silnet", ">= sikc", "colour", ">= sick", "> sick"]
needs = ["2 of 3 of bd", "2 of dbs fine"]
lease = "1m"
disabled = " "
"#,
        &[
            r#"f:4:1: unknown key "capactiy"; did you mean "capacity"?"#,
            r#"f:5:12: capacity must be between 1 and 100000"#,
            r#"f:6:9: there is no group "bd""#,
            r#"f:7:11: "silnet" is nothing that counts; did you mean "silent"?"#,
            r#"f:7:21: ">= sikc" is nothing that counts; did you mean ">= sick"?"#,
            r#"f:7:32: "colour" is nothing that counts"#,
            r#"f:7:53: levels are named here already; of two the better one includes the other"#,
            r#"f:8:10: there is no group "bd""#,
            r#"f:8:26: there is no group "dbs""#,
            r#"f:9:9: lease = "1m" must be between 5m and 30d"#,
            r#"f:10:12: say why: whoever is refused is told"#,
        ],
    ),
    (
        r#"[lock.Db]
[lock.x]
capacity = "0%"
counts = []
needs = []
lease = 5
disabled = true
[lock.y]
capacity = "many"
counts = [">= fine", "sick", "< dead", "> dead", 5]
needs = ["all of db", "1 of db good"]
[lock.z]
capacity = true
counts = 5
"#,
        &[
            r#"f:1:7: "Db" is not a name of a lock: 'D' is not allowed, only a-z, 0-9, '.', '_' and '-'"#,
            r#"f:3:12: "0%" is not a share: it lies between 1% and 100%"#,
            r#"f:4:10: nothing is named here, and holders count anyway"#,
            r#"f:5:9: a condition is expected, as in "2 of 3 of db fine""#,
            r#"f:6:9: "lease" must be a text, not a number"#,
            r#"f:7:12: "disabled" must be a text, not true or false"#,
            r#"f:9:12: "many" is not a capacity: a number such as "2" or a share such as "10%" is expected"#,
            r#"f:10:11: this is true of fine as well, so every host would take a place"#,
            r#"f:10:22: a level counts together with all worse ones, as in ">= sick""#,
            r#"f:10:30: this is true of fine as well, so every host would take a place"#,
            r#"f:10:40: no level is meant by this"#,
            r#"f:10:50: "counts" must be a text, not a number"#,
            r#"f:11:10: "all of db" is not a condition such as "2 of 3 of db fine": it begins with a number or a share of at least 1"#,
            r#"f:11:23: "1 of db good" is not a condition such as "2 of 3 of db fine": "good" is no level, known are fine, soso, sick, critical, dead"#,
            r#"f:13:12: a capacity is a whole number such as 2, or a share such as "10%""#,
            r#"f:14:10: "counts" must be a text or a list of texts, not a number"#,
        ],
    ),
    (
        r#"[group.db]
hosts = ["db1", "db2"]
[group.lb]
hosts = ["lb*"]
[lock.a]
group = "db"
needs = ["3 of db", "2 of 2 of db"]
[lock.b]
capacity = 2
group = "db"
needs = "1 of db soso or 100% of db"
[lock.c]
group = "lb"
needs = "2 of 2 of lb"
"#,
        &[
            r#"f:7:10: 3 hosts of group "db" are needed, and it has 2"#,
            r#"f:7:21: this can never hold: it needs 2 hosts of group "db", and with 1 place taken 1 of 2 are left"#,
            r#"f:11:9: this can never hold: it needs 1 host of group "db", and with 2 places taken 0 of 2 are left; and it needs 2 hosts of group "db", and with 2 places taken 0 of 2 are left"#,
            r#"f:14:9: this can never hold: it needs all hosts of group "lb", and the one that asks does not count"#,
        ],
    ),
    (
        r#"[package.driveclient]
verison = "1"
[package.-drive]
hosts = []
[package.os]
hosts = ["*"]
[package.lockstep]
hosts = ["*"]
[package."g++"]
hosts = ["*"]
[package.x]
package = "y z"
groups = ["web"]
[package.reboot]
hosts = ["*"]
"#,
        &[
            r#"f:1:10: a package needs hosts or groups: where it is kept current"#,
            r#"f:2:1: unknown key "verison"; did you mean "version"?"#,
            r#"f:3:10: "-drive" is not a package name: it must begin and end with a letter or a digit"#,
            r#"f:4:9: no host is named here"#,
            r#"f:5:10: "os" stands for the operating system as a whole and is no package"#,
            r#"f:7:10: the agent keeps itself current, by signed releases; see update.md"#,
            r#"f:9:10: "g++" is not a name: it has 1 to 64 letters, digits, '_', '.' or '-'"#,
            r#"f:12:11: "y z" is not a package name: ' ' is not allowed, only a-z, A-Z, 0-9, '.', '_', '-' and '+'"#,
            r#"f:13:11: there is no group "web""#,
            r#"f:14:10: "reboot" stands for the restart of a machine and is no package"#,
        ],
    ),
    (
        r#"[lock.storage]
[package.x]
hosts = ["a*"]
apt = {}
dnf = {}
version = "latest"
published = "ftp://x"
service = "-x"
idle_lock = "run/x"
lock = "stroage"
every = "30s"
spread = "6h:50%"
hours = "Moon"
timezone = "UTC"
"#,
        &[
            r#"f:4:1: apt needs suite, as in apt = { uri = "https://repo.example.org/apt", suite = "stable", components = ["main"], key_file = "repo.asc" }"#,
            r#"f:4:1: apt needs uri, as in apt = { uri = "https://repo.example.org/apt", suite = "stable", components = ["main"], key_file = "repo.asc" }"#,
            r#"f:4:1: key_file or key is needed: the public key that signs what comes from there"#,
            r#"f:5:1: dnf needs baseurl, as in dnf = { baseurl = "https://repo.example.org/rpm", key_file = "repo.asc" }"#,
            r#"f:5:1: key_file or key is needed: the public key that signs what comes from there"#,
            r#"f:6:11: "latest" is not a version: for the newest one leave version out"#,
            r#"f:7:1: published does nothing beside version: that one is wanted, whatever is published"#,
            r#"f:7:13: "ftp://x" is not an address on the web, as in "https://repo.example.org/version.txt""#,
            r#"f:8:11: "-x" is not the name of a service, as in "driveclient" or "driveclient.service""#,
            r#"f:9:13: "run/x" is not a file from the root of the host, as in "/run/backup.lock""#,
            r#"f:10:8: there is no lock "stroage"; did you mean "storage"?"#,
            r#"f:11:9: every = "30s" must be between 1m and 30d"#,
            r#"f:12:10: "6h:50%" is not a curve: its last point must be 100%; write "none", "gamma" or points such as "6h:50%, 11h:90%, 14h:100%""#,
            r#"f:13:9: "Moon" is not a stretch of hours, as in "Mon-Fri 08:00-18:00""#,
            r#"f:14:1: unknown key "timezone""#,
        ],
    ),
    (
        "[package.x]\nhosts = [\"a*\"]\napt = { uri = \"https://x\\nTrusted: yes\", suite = \"a b\", components = [\"main\\n\", \"-x\"], key = \"k\" }\n\
         dnf = { baseurl = \"https://x,https://y\", signed_metadata = 1, key = \"k\", key_file = \"f\" }\n\
         idle_lock = \"/run/../x\"\nservice = \"a\\u0007\"\nversion = \"1\\n2\"\npublished = \"https://ann:secret@x/v\"\n",
        &[
            r#"f:3:15: "https://x\nTrusted: yes" is not the address of a repository, as in "https://repo.example.org/apt""#,
            r#"f:3:50: "a b" is not a suite or a component, as in "stable", "main" or "./""#,
            r#"f:3:71: "main\n" is not a suite or a component, as in "stable", "main" or "./""#,
            r#"f:3:81: "-x" is not a suite or a component, as in "stable", "main" or "./""#,
            r#"f:3:94: this is not a public key in ASCII armour: it begins with "-----BEGIN PGP PUBLIC KEY BLOCK-----" and ends with "-----END PGP PUBLIC KEY BLOCK-----""#,
            r#"f:4:19: "https://x,https://y" is not the address of a repository, as in "https://repo.example.org/apt""#,
            r#"f:4:60: "signed_metadata" must be true or false, not a number"#,
            r#"f:4:63: key_file names a key already"#,
            r#"f:5:13: "/run/../x" is not a file from the root of the host, as in "/run/backup.lock""#,
            r#"f:6:11: "a\u{7}" is not the name of a service, as in "driveclient" or "driveclient.service""#,
            r#"f:7:11: "1\n2" is not a version: only printable ASCII without blanks"#,
            r#"f:8:1: published does nothing beside version: that one is wanted, whatever is published"#,
            r#"f:8:13: a user and a password have no place in this address"#,
        ],
    ),
    (
        r#"[package.x]
hosts = ["a*"]
apt = { uri = "repo", suite = "stable", key_file = "absent.asc" }
dnf = { baseurl = "https://ann@x/", key_file = "" }
[package.y]
hosts = ["a*"]
apt = { uri = "https://x", suite = "./", components = ["main"], key = "-----BEGIN PGP PRIVATE KEY BLOCK-----" }
version = "1"
published = "https://x/version.txt"
spread = "6h:50%, 60d:100%"
[package.z]
hosts = ["a*"]
apt = { uri = "https://x", suite = "stable", components = [], key = 5 }
"#,
        &[
            r#"f:3:1: apt needs components, as in components = ["main"], or a suite that is a path and ends with a slash"#,
            r#"f:3:15: "repo" is not the address of a repository, as in "https://repo.example.org/apt""#,
            r#"f:3:52: this file did not come with the fleet file; a key may also stand there itself, as key"#,
            r#"f:4:19: a user and a password have no place in this address"#,
            r#"f:4:48: "" is not a file, as in "keys/repo.asc""#,
            r#"f:7:42: a suite that ends with a slash is an exact path, which has no components"#,
            r#"f:7:71: this is a private key, which has no place here, nor on any host; write down the public one, and replace this one if others could read it"#,
            r#"f:9:1: published does nothing beside version: that one is wanted, whatever is published"#,
            r#"f:10:10: a curve takes at most 30d"#,
            r#"f:13:59: no component is named here"#,
            r#"f:13:69: "key" must be a text, not a number"#,
        ],
    ),
    (
        r#"[group.web]
hosts = ["web*", "lb1"]
[package.x]
hosts = ["web1", "wbe2", "ups"]
groups = ["web"]
[package.x2]
package = "x"
hosts = ["web2"]
[package.x3]
package = "x"
hosts = ["l?1"]
[package.x4]
package = "x"
hosts = ["d*1"]
[package.x5]
package = "x"
hosts = ["db*", "web3"]
[package.x6]
package = "x"
hosts = ["dc*"]
[host.ups]
via = "lb1"
items = ["ping"]
"#,
        &[
            r#"f:4:18: there is no host "wbe2""#,
            r#"f:4:26: "ups" has no agent, which would see to it"#,
            r#"f:6:10: two tables speak of package "x" on web2; the other is at f:3:10"#,
            r#"f:9:10: two tables speak of package "x" on lb1; the other is at f:3:10"#,
            r#"f:15:10: two tables speak of package "x" on web3; the other is at f:3:10"#,
            r#"f:18:10: two tables speak of package "x" on hosts that match both "d*1" and "dc*"; the other is at f:12:10"#,
        ],
    ),
    (
        r#"[group.db]
hosts = ["db1"]
[lock.db]
group = "db"
[package.x]
hosts = ["db1", "web1"]
lock = "db"
[host.web1]
"#,
        &[r#"f:7:8: lock "db" is for the hosts of group "db", and web1 is none of them"#],
    ),
    (
        r#"lock = 5
[package]
x = "1"
"#,
        &[
            r#"f:1:8: "lock" must be a table, not a number"#,
            r#"f:3:5: "x" must be a table, not a text"#,
        ],
    ),
];

#[test]
fn each_mistake_about_locks_and_packages_is_told_with_its_place() {
    for (text, expected) in TABLE {
        assert_eq!(faults(text), *expected, "{text}");
    }
}
