//! Bundles from a mirror: a plain web server that hands out what `release mirror` wrote. It is believed in nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::candidate::Candidate;
use crate::world::{Host, World, free_port};

/// A web server for the files of one directory, which knows nothing of Lockstep.
struct Web {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Web {
    fn serve(dir: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let said = Arc::clone(&asked);
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // Who asks may have gone away.
                let _ = answer(stream.unwrap(), &dir, &said);
            }
        });
        Self { port, asked }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(mut stream: TcpStream, dir: &Path, asked: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    reader.by_ref().take(8192).read_line(&mut request)?;
    let mut line = String::new();
    while reader.by_ref().take(8192).read_line(&mut line)? > 2 {
        line.clear();
    }
    let path = request.split(' ').nth(1).unwrap_or("/").to_owned();
    asked.lock().unwrap().push(path.clone());
    match std::fs::read(dir.join(path.trim_start_matches('/'))) {
        Ok(body) => {
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            )?;
            stream.write_all(&body)
        }
        Err(_) => stream
            .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    }
}

/// Version 2.0.0, published and mirrored, and a host that has the mirror.
struct Scene {
    world: World,
    host: Host,
    web: Web,
}

impl Scene {
    fn new() -> Self {
        let world = World::start();
        world.publish("2.0.0", Candidate::Good);
        let said = world.must(&["release", "mirror", "www"]);
        assert!(said.contains("0 were there"), "{said}");
        let web = Web::serve(world.path("www"));
        let host = mirrored(&world, &web.url());
        Self { world, host, web }
    }

    /// The bundle of 2.0.0, as the mirror has it.
    fn bundle(&self) -> PathBuf {
        let dir = self.world.path("www/repo/targets/lockstep/2.0.0");
        let mut files = std::fs::read_dir(dir).unwrap();
        files.next().unwrap().unwrap().path()
    }

    fn comes_to_2(&self) {
        self.world.promote("2.0.0");
        let run = self.world.finished_run("web1", "2.0.0");
        assert_eq!(run["outcome"], "done", "{run}");
        assert_eq!(self.host.current(), "2.0.0");
    }
}

/// A host whose agent.toml names a mirror.
fn mirrored(world: &World, url: &str) -> Host {
    let mut host = world.provision("web1");
    let path = host.root.join("etc/lockstep/agent.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let with = format!("[update]\nmirror = {url:?}\n");
    let text = text.replace("[update]\n", &with);
    assert!(text.contains(&with), "{text}");
    std::fs::write(&path, text).unwrap();
    host.start();
    host
}

#[test]
fn a_host_fetches_from_its_mirror_what_the_server_does_not_even_have() {
    let scene = Scene::new();
    // Once more fetches nothing.
    let said = scene.world.must(&["release", "mirror", "www", "--prune"]);
    assert!(
        said.contains("0 files with 0 bytes fetched, 2 were there, 0 removed"),
        "{said}"
    );
    let hash = lockstep_host::fs::hash_file(&scene.bundle()).unwrap();
    let artifact = scene.world.path("server/artifacts").join(hash.to_string());
    std::fs::remove_file(artifact).unwrap();
    scene.comes_to_2();
    let asked = scene.web.asked();
    assert!(
        asked
            .iter()
            .any(|path| path.contains("/repo/targets/lockstep/2.0.0/")),
        "{asked:?}"
    );
}

#[test]
fn a_mirror_that_lies_costs_a_download_and_nothing_else() {
    let scene = Scene::new();
    let path = scene.bundle();
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    scene.comes_to_2();
    let log = scene.host.log();
    assert!(
        log.contains("is not the signed one and was thrown away"),
        "{log}"
    );
    // Mirrored again, it is as it must be.
    let said = scene.world.must(&["release", "mirror", "www"]);
    assert!(said.contains("1 files with"), "{said}");
}

#[test]
fn without_its_mirror_a_host_asks_the_server() {
    let world = World::start();
    world.publish("2.0.0", Candidate::Good);
    let nobody = format!("http://127.0.0.1:{}/", free_port());
    let host = mirrored(&world, &nobody);
    let web = Web::serve(world.path("nothing"));
    let scene = Scene { world, host, web };
    scene.comes_to_2();
    assert!(
        scene
            .host
            .log()
            .contains("the mirror does not hand it out, the server is asked"),
        "{}",
        scene.host.log()
    );
}
