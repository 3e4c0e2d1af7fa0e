//! The browser's harness finds what it is there to find: a harness that cannot fail is worthless.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use lockstep_testkit::browser::{Browser, Colours, Page, Window};

/// A site on the loopback whose pages are these, until the process ends.
fn site(pages: &'static [(&'static str, &'static str, &'static str)]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for visitor in listener.incoming().flatten() {
            std::thread::spawn(move || answer(visitor, pages));
        }
    });
    origin
}

fn answer(mut visitor: TcpStream, pages: &[(&str, &str, &str)]) {
    let mut lines = BufReader::new(visitor.try_clone().unwrap()).lines();
    let Some(Ok(first)) = lines.next() else {
        return;
    };
    for line in lines.map_while(Result::ok) {
        if line.is_empty() {
            break;
        }
    }
    let path = first.split(' ').nth(1).unwrap_or_default();
    let found = pages.iter().find(|(name, _, _)| *name == path);
    let (status, headers, body) = match found {
        Some((_, headers, body)) => ("200 OK", *headers, *body),
        None => ("404 Not Found", "", "nothing"),
    };
    let _ = write!(
        visitor,
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}",
        body.len()
    );
}

const GOOD: &str = r##"<!doctype html><html lang="en"><head><title>Good</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width">
<style>:root { color-scheme: light dark } details { margin: 1em 0 } @media (prefers-color-scheme: dark) { body { background: #111; color: #eee } }</style></head>
<body><main><h1>A good page</h1><p id="state">waiting</p><p><a href="/other">Other</a></p>
<label>Name <input name="name"></label> <label>Kind <select><option>one</option><option value="2">two</option></select></label>
<button type="button">Go</button><details><summary>More</summary><button type="button">Hidden</button></details>
<div hidden><button type="button">Go</button></div><noscript><p id="plain">no scripts</p></noscript></main>
<script>
document.querySelector("button").onclick = () => { document.querySelector("#state").textContent = "gone " + document.querySelector("input").value; };
document.onkeydown = (event) => { if (event.key === "/") { event.preventDefault(); document.querySelector("input").focus(); } };
document.cookie = "visitor=known";
</script></body></html>"##;

const SITE: &[(&str, &str, &str)] = &[
    ("/good", "", GOOD),
    (
        "/other",
        "",
        "<!doctype html><html lang=en><title>Other</title><link rel=icon href='data:,'><main><h1>Another</h1></main>",
    ),
    (
        "/warning",
        "",
        "<!doctype html><link rel=icon href='data:,'><script>console.warn('mind', {a: 1}); console.log('fine')</script>",
    ),
    (
        "/exception",
        "",
        "<!doctype html><link rel=icon href='data:,'><script>throw new Error('oh no')</script>",
    ),
    (
        "/foreign",
        "",
        "<!doctype html><link rel=icon href='data:,'><img alt='' src='http://127.0.0.2:9/pixel.png'>",
    ),
    (
        "/missing",
        "",
        "<!doctype html><link rel=icon href='data:,'><img alt='' src='/nothing.png'>",
    ),
    ("/no-icon", "", "<!doctype html><p>Nobody drew an icon"),
    (
        "/policy",
        "Content-Security-Policy: default-src 'self'; img-src data:\r\n",
        "<!doctype html><link rel=icon href='data:,'><p style='color: red'>red</p>",
    ),
    (
        "/fetches",
        "",
        "<!doctype html><link rel=icon href='data:,'><script>fetch('/nothing').catch(() => 0)</script>",
    ),
    (
        "/wide",
        "",
        "<!doctype html><meta name=viewport content='width=device-width'><link rel=icon href='data:,'><div id=wide style='width: 600px'>wide</div>\
        <div style='overflow-x: auto'><div style='width: 900px'>may be scrolled</div></div>\
        <div style='overflow-x: auto'><div style='width: 700px; text-align: right'><b id=out style='position: absolute'>out of it</b></div></div>",
    ),
    (
        "/pale",
        "",
        "<!doctype html><html lang=en><title>Pale</title><link rel=icon href='data:,'><main><h1 style='color: #ccc'>Pale</h1></main>",
    ),
    (
        "/small",
        "",
        "<!doctype html><link rel=icon href='data:,'><button style='width:15px;height:15px;padding:0;margin:0'>a</button>\
        <button style='width:15px;height:15px;padding:0;margin:0'>b</button>",
    ),
    (
        "/unfair",
        "Content-Security-Policy: default-src 'none'; img-src data:\r\n",
        "<!doctype html><html lang=en><title>Unfair</title><link rel=icon href='data:,'>\
        <main><h1>Unfair</h1><img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='><input id=unnamed></main>",
    ),
];

/// What a page has to complain of, once there is something.
fn complaint(page: &Page, path: &str) -> String {
    page.goto(path);
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while page.complaints().is_empty() && std::time::Instant::now() < until {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    page.take_complaints().join("; ")
}

#[test]
fn the_browser_finds_what_is_wrong() {
    let origin = site(SITE);
    let browser = Browser::start(None).unwrap();
    let page = browser.visit(&origin);
    for (path, words) in [
        ("/warning", "console warning: mind"),
        ("/exception", "oh no"),
        ("/foreign", "foreign request: http://127.0.0.2:9/pixel.png"),
        ("/missing", "answered 404"),
        ("/no-icon", "favicon.ico"),
        ("/policy", "Content Security Policy"),
        ("/fetches", "answered 404"),
        ("/nowhere", "answered 404"),
    ] {
        let complaint = complaint(&page, path);
        assert!(complaint.contains(words), "{path}: {complaint:?}");
        // What comes later of the same page is not the next one's.
        page.goto("/other");
        let _ = page.take_complaints();
    }

    page.goto("/unfair");
    let found: Vec<String> = page
        .axe()
        .iter()
        .filter(|it| it.is_grave())
        .map(|it| it.rule.clone())
        .collect();
    assert!(
        found.contains(&"image-alt".into()) && found.contains(&"label".into()),
        "{found:?}"
    );
    assert_eq!(page.axe_again(&["color-contrast"]), vec![]);
    page.goto("/pale");
    let pale: Vec<String> = page
        .axe_again(&["color-contrast"])
        .into_iter()
        .map(|it| it.rule)
        .collect();
    assert_eq!(pale, ["color-contrast"]);
    page.goto("/small");
    assert_eq!(page.small_targets().len(), 2);
    page.window(Window::Phone);
    page.goto("/wide");
    let wide = page.overflow();
    assert!(
        wide[0].contains("#wide") && wide[1].contains("#out") && wide.len() == 3,
        "{wide:?}"
    );
    page.assert_clean();

    // A page that is let go with complaints fails the test.
    let dropped = std::panic::catch_unwind(|| {
        let page = browser.visit(&origin);
        page.goto("/exception");
        page.wait_until("true", "an answer");
    });
    assert!(dropped.is_err());
}

#[test]
fn the_browser_does_what_a_person_does() {
    let origin = site(SITE);
    let browser = Browser::start(None).unwrap();
    let page = browser.visit(&origin);
    page.goto("/good");
    assert_eq!((page.title(), page.path()), ("Good".into(), "/good".into()));
    assert_eq!(
        (page.axe(), page.overflow(), page.small_targets()),
        (vec![], vec![], vec![])
    );
    // Of the two buttons, one is hidden.
    assert_eq!((page.count("button:Go"), page.count("button")), (1, 1));
    page.fill("field:Name", "away");
    page.fill("field:Name", "home");
    page.click("button:Go");
    page.wait_text("#state", "gone home");
    page.choose("field:Kind", "two");
    assert_eq!(page.value("field:Kind"), "2");
    page.click("details button >> ^details >> summary:More");
    page.wait_for("details >> button:Hidden");
    page.press("Tab");
    assert!(page.focused().contains("Hidden"), "{}", page.focused());
    page.press("Shift+Tab");
    assert!(page.has_focus("summary:More"));
    page.press("Enter");
    page.wait_gone("button:Hidden");
    page.press("/");
    assert!(page.has_focus("field:Name"));
    page.fill("field:Name", "");
    assert_eq!(page.value("field:Name"), "");

    let background = |page: &Page| page.eval("getComputedStyle(document.body).backgroundColor");
    let light = background(&page);
    page.colours(Colours::Dark);
    assert_ne!(background(&page), light);
    page.window(Window::Phone);
    assert_eq!(page.eval("innerWidth"), 390);
    assert!(page.png().starts_with(b"\x89PNG"));

    // A second tab is the same visitor, another visit is not.
    let tab = page.tab();
    tab.goto("/other");
    assert_eq!(tab.cookies().len(), 1);
    let stranger = browser.visit(&origin);
    stranger.scripts(false);
    stranger.goto("/good");
    stranger.wait_for("#plain");
    assert_eq!(stranger.cookies().len(), 0);
    stranger.click("button:Go");
    assert_eq!(stranger.text("#state"), "waiting");
    stranger.follow("link:Other");
    assert_eq!(stranger.text("heading:Another"), "Another");
    stranger.back();
    assert_eq!(stranger.path(), "/good");

    // It is gone with its value, also when a test panics.
    let pid = browser.pid();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _moved = (browser, page, tab, stranger);
        panic!("a test fails");
    }));
    assert!(panicked.is_err());
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}
