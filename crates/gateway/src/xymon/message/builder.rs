//! Putting a client message together.

/// Largest message that is made, in bytes. What does not fit is left out: Xymon's server takes 64 MiB, its clients
/// send about 70 KB.
const LARGEST: usize = 256 * 1024;

/// A client message in the making.
#[derive(Debug, Clone)]
pub struct Builder(Vec<u8>);

impl Builder {
    /// Begins the message of a host, with its name in dots, its kind of operating system (`linux`), and the class of
    /// its configuration. The server looks a configuration up by a class only where the client names one.
    #[must_use]
    pub fn new(host: &str, os: &str, class: &str) -> Self {
        let word = |text: &str| text.replace(|c: char| c.is_whitespace() || c.is_control(), "_");
        let host = word(host).replace('.', ",");
        let line = format!("client {host}.{} {}\n", word(os), word(class));
        Self(line.into_bytes())
    }

    /// Adds a section, unless the message is full. A line of its text that looks like a head gets a blank before it, so
    /// that nothing in a value can begin a section.
    #[must_use]
    pub fn section(mut self, name: &str, text: &str) -> Self {
        let name = name.replace(['[', ']'], "_").replace(char::is_control, "_");
        let mut section = format!("[{name}]\n");
        for line in text.lines() {
            if line.starts_with('[') {
                section.push(' ');
            }
            section.push_str(line.trim_end_matches('\r'));
            section.push('\n');
        }
        if self.0.len() + section.len() <= LARGEST {
            self.0.extend_from_slice(section.as_bytes());
        }
        self
    }

    /// The message.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Message;
    use super::*;

    #[test]
    fn what_is_built_is_read_again() {
        let bytes = Builder::new("www.example.org", "linux", "web server")
            .section("uptime", "up 1 day")
            .section("msgs:/x", "[clientversion]\n9.9\n")
            .section("clientversion", "1.2")
            .finish();
        let message = Message::parse(&bytes);
        let head = message.head().unwrap();
        assert_eq!(head.host, "www.example.org");
        assert_eq!((head.os, head.class), ("linux", Some("web_server")));
        assert_eq!(message.section("uptime"), Some(&b"up 1 day\n"[..]));
        assert_eq!(message.section("clientversion"), Some(&b"1.2\n"[..]));
        assert_eq!(message.sections().count(), 3);
    }

    #[test]
    fn a_message_has_an_end() {
        let bytes = Builder::new("a", "b", "c")
            .section("x", &"x\n".repeat(LARGEST))
            .section("y", "y")
            .finish();
        assert!(bytes.len() < 100);
        assert!(Message::parse(&bytes).section("y").is_some());
    }

    proptest! {
        #[test]
        fn no_text_begins_a_section(texts in proptest::collection::vec("(\\[a\\]|\\PC|\n|\r){0,20}", 0..5)) {
            let mut builder = Builder::new("a", "b", "c");
            for text in &texts {
                builder = builder.section("s", text);
            }
            let bytes = builder.finish();
            prop_assert_eq!(Message::parse(&bytes).sections().count(), texts.len());
        }
    }
}
