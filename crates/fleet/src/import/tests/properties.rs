use super::*;

/// Pieces of which files are made, right and wrong ones.
const HOSTS: [&str; 40] = [
    "1.1.1.1 a.x",
    "0.0.0.0 b.x",
    "::1 c.x",
    "1.1.1.2 SW1",
    "1.1.1.3 ä",
    " # ",
    " ssh",
    " http://a.x/?q=*",
    " https://b.x:8443/x",
    " cont;https://b.x/;ok",
    " CLASS:web",
    " CLASS:w*b",
    " CLASS:\"\"",
    " NAME:\"x\\\" y\"",
    " route:a.x,b.x",
    " route:c.x",
    " dns",
    " dns=MX:x",
    " smtp:25",
    " imaps",
    " ~ssh",
    " !x",
    " conn=1.1.1.9,::2",
    " noconn",
    " testip",
    " dialup",
    " bbd",
    " ssldays=9:1",
    " DOWNTIME=W:0100:0200",
    " DOWNTIME=*:*:0000:2400:x\"y",
    "\npage p T",
    "\nsubpage q",
    "\nsubparent q r <b>\"]",
    "\ngroup G",
    "\ngroup-only a|b G",
    "\ninclude hosts.cfg",
    "\ninclude other.cfg",
    "\\\n",
    "\"",
    "\n",
];

const LOCAL: [&str; 20] = [
    "[linux]\n",
    "[class=web]\n",
    "[class=%(]\n",
    "[host=^a]\n",
    "[host=*]\n",
    "[a*]\n",
    "[b.x]\n",
    "[]\n",
    "clientversion:1.2.3\n",
    "clientversion:x-1.0.0-1:y\n",
    "clientversion:os-1.0.0\n",
    "clientversion:lockstep-1.0.0\n",
    "log:/x:1\n",
    "file:/x*\n",
    "file:/x:md5\n",
    "linecount:/x\n",
    "k [0-9\n",
    "k p\n",
    "ignore x\n",
    "dir:/\n",
];

const RULES: [&str; 36] = [
    "DEFAULT\n",
    "\n",
    " HOST=*",
    " HOST=a.x",
    " HOST=%^a",
    " HOST=%[ab]",
    " EXHOST=a.x",
    " CLASS=web",
    " CLASS=linux",
    " PAGE=p",
    " PAGE=%q",
    " TIME=W:0:1",
    " DISPLAYGROUP=G",
    "LOAD 1 2",
    "LOAD 2 1",
    "UP 1h -1 red",
    "UP 99999999999999d",
    "CLOCK 0",
    "DISK / 1 2",
    "DISK * 90 90",
    "DISK %^/x 1U 2U",
    "DISK /? 3 4",
    "INODE * 1 2",
    "MEMACT 0 0",
    "MEMSWAP 1 1",
    "PROC x",
    "PROC x 1 2 yellow",
    "PROC \"a b\"",
    "PORT LOCAL=*:1 STATE=LISTEN",
    "LOG /x a",
    "LOG /x %(?i)b COLOR=yellow",
    "LOG %x c",
    "FILE /x mtime<1 size>1",
    "FILE %/x",
    "FILE /x noexist",
    "MEMPHYS",
];

fn joined(pieces: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(pieces), 0..most).prop_map(|pieces| pieces.concat())
}

fn import(hosts: &str, local: &str, analysis: &str) -> Result<Imported, ImportError> {
    let shelf = Shelf::of(&[
        ("hosts.cfg", hosts),
        ("client-local.cfg", local),
        ("analysis.cfg", analysis),
        ("other.cfg", hosts),
    ]);
    let options = Xymon {
        hosts: Some("hosts.cfg".into()),
        client_local: Some("client-local.cfg".into()),
        analysis: Some("analysis.cfg".into()),
        watchers: Vec::new(),
        without_agent: vec![Glob::parse("s*").unwrap()],
        processors: 0,
    };
    xymon(&options, &shelf)
}

/// Texts as small as these give a fleet file, whatever stands in them, and nothing in it is anybody else's idea.
fn assert_sound(imported: Result<Imported, ImportError>) -> Result<(), TestCaseError> {
    let imported = imported.map_err(|error| TestCaseError::fail(error.to_string()))?;
    parsed(&imported);
    assert_commented(&imported);
    Ok(())
}

#[test]
fn what_a_line_says_twice_is_said_once() {
    let (local, analysis) = (
        "[host=^a]\nfile:/x:md5\n",
        "FILE /x mtime<1 size>1FILE /x mtime<1 size>1",
    );
    assert_sound(import("", local, analysis)).unwrap();
}

proptest! {
    #[test]
    fn whatever_resembles_a_configuration_gives_a_fleet_file(hosts in joined(&HOSTS, 40), local in joined(&LOCAL, 12), analysis in joined(&RULES, 25)) {
        assert_sound(import(&hosts, &local, &analysis))?;
    }

    #[test]
    fn so_does_any_text(hosts in "(?s).{0,120}", local in "(?s).{0,80}", analysis in "(?s).{0,80}") {
        assert_sound(import(&hosts, &format!("[linux]\n{local}"), &analysis))?;
    }

    #[test]
    fn and_any_word_in_any_place(word in "[^\\n\\r]{1,20}", place in 0..10_usize) {
        let lines = [
            format!("1.1.1.1 a.x # {word}"), format!("1.1.1.1 a.x # NAME:{word}"), format!("1.1.1.1 a.x # CLASS:{word}"), format!("1.1.1.1 {word} # ssh bbd"),
            format!("page {word} {word}\n1.1.1.1 a.x"), format!("group {word}\n1.1.1.1 a.x"), format!("1.1.1.1 a.x # bbd http://{word}/"),
            format!("1.1.1.1 a.x # bbd cont;http://a.x/{word};{word}"), format!("1.1.1.1 a.x # dns={word} bbd"), format!("1.1.1.1 a.x # DOWNTIME=*:*:0100:0200:{word}"),
        ];
        let local = format!("[{word}]\nclientversion:{word}\n[linux]\nfile:/{word}\nlog:/{word}\nlinecount:/{word}\nk {word}\n");
        let analysis = format!("PROC {word}\nLOG /{word} {word}\nDISK /{word} 1 2\nLOAD 1 2 HOST={word}\nLOAD 1 2 HOST=%{word}\nFILE /{word}\nLOAD {word} {word}\nUP {word}\n");
        assert_sound(import(&lines[place], &local, &analysis))?;
    }

    #[test]
    fn nor_does_dmon_make_a_difference(conf in "(?s).{0,120}", work in "(?s).{0,120}", words in prop::collection::vec(prop::sample::select(&["host a.x t\n", "host a.x u\n", "get t cpu_load x *\n", "get t disk_usage:* \"]\n", "fit_level soso ", "fit_level dead", "ß\n", "\n", " glued", "host b t\"\n"][..]), 0..12)) {
        let shelf = Shelf::of(&[("conf", &conf), ("work", &format!("{}{work}", words.concat()))]);
        let files = Dmon { conf: Some("conf".into()), work: Some("work".into()) };
        assert_sound(dmon(&files, &shelf))?;
    }
}
