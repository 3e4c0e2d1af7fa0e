//! The secret that a web server wants to hear.

use crate::probe::Order;

/// The header for a secret of this host, if it may be shown to that server. The name is the fleet file's choice, and so
/// is the address; only the host itself says which goes where.
pub(in crate::remote) fn authorization(
    order: &Order,
    name: &str,
    host: &str,
) -> Result<String, String> {
    let Some(secret) = order.secrets.http.get(name) else {
        return Err(format!("secrets.toml of this host has no [http.{name}]"));
    };
    if !secret.hosts.iter().any(|glob| glob.matches(host)) {
        return Err(format!(
            "the secret [http.{name}] is not for {host}; if it should be, add that to its `hosts` in secrets.toml"
        ));
    }
    match (&secret.user, &secret.password, &secret.token) {
        (None, None, Some(token)) => Ok(format!("Bearer {token}")),
        (Some(user), Some(password), None) => {
            let plain = format!("{user}:{password}");
            Ok(format!("Basic {}", base64(plain.as_bytes())))
        }
        _ => Err(format!(
            "the secret [http.{name}] needs `user` and `password`, or `token` alone"
        )),
    }
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut group = [0; 3];
        group[..chunk.len()].copy_from_slice(chunk);
        let [a, b, c] = group.map(u32::from);
        let bits = a << 16 | b << 8 | c;
        for place in 0..4 {
            let sextet = bits >> (18 - 6 * place) & 63;
            text.push(match place <= chunk.len() {
                true => char::from(ALPHABET[sextet as usize]),
                false => '=',
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_standard_hold() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
