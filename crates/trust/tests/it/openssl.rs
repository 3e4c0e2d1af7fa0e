//! OpenSSL opens our keys, and we open OpenSSL's. Without the command `openssl` these tests fail and say so.

use std::io::Write as _;
use std::process::{Command, Stdio};

use lockstep_trust::SigningKey;

/// What the command prints.
#[expect(
    clippy::disallowed_methods,
    reason = "a test that starts a foreign program once, and waits for it"
)]
fn openssl(arguments: &[&str], input: &str) -> String {
    let child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.expect("this test needs the command openssl");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// `openssl pkey -text` prints the public key as lines of hexadecimal pairs behind `pub:`.
fn public_in(text: &str) -> String {
    let lines = text
        .lines()
        .skip_while(|line| !line.starts_with("pub:"))
        .skip(1);
    lines
        .flat_map(str::chars)
        .filter(char::is_ascii_hexdigit)
        .collect()
}

#[test]
fn openssl_opens_what_we_wrote() {
    let key = SigningKey::generate().unwrap();
    let public = key.public()["keyval"]["public"]
        .as_str()
        .unwrap()
        .to_owned();
    for (pem, arguments) in [
        (key.to_pem().unwrap(), &["pkey", "-text", "-noout"][..]),
        (
            key.to_encrypted_pem("correct horse").unwrap(),
            &["pkey", "-text", "-noout", "-passin", "pass:correct horse"],
        ),
    ] {
        assert_eq!(public_in(&openssl(arguments, &pem)), public);
    }
}

#[test]
fn we_open_what_openssl_wrote() {
    let plain = openssl(&["genpkey", "-algorithm", "ed25519"], "");
    let id = SigningKey::from_pem(&plain).unwrap().id().to_owned();
    // Its own default (PBKDF2), and scrypt.
    for more in [&[][..], &["-scrypt"]] {
        let arguments = [&["pkcs8", "-topk8", "-passout", "pass:x y"], more].concat();
        let sealed = openssl(&arguments, &plain);
        assert_eq!(
            SigningKey::from_encrypted_pem(&sealed, "x y").unwrap().id(),
            id
        );
    }
}
