//! A client's section with the version that it shall run.

/// What begins the line that names a version; the client's script takes the second field between colons.
const KEY: &[u8] = b"clientversion:";

/// The section as it is sent. With a version, one line names it, in the place of the first that did; the client joins
/// several to a command line that makes no sense. Without one the section stays what it is, so that an installation goes
/// on with the versions that its file names.
#[must_use]
pub fn with_version(block: &[u8], wanted: Option<&str>) -> Vec<u8> {
    let Some(wanted) = wanted else {
        return block.to_vec();
    };
    let mut answer = Vec::with_capacity(block.len() + KEY.len() + wanted.len() + 1);
    let mut said = false;
    for line in block.split_inclusive(|&byte| byte == b'\n') {
        if !line.starts_with(KEY) {
            answer.extend_from_slice(line);
        } else if !said {
            said = true;
            push(&mut answer, wanted);
        }
    }
    if !said {
        if !answer.is_empty() && !answer.ends_with(b"\n") {
            answer.push(b'\n');
        }
        push(&mut answer, wanted);
    }
    answer
}

fn push(answer: &mut Vec<u8>, wanted: &str) {
    answer.extend_from_slice(KEY);
    answer.extend_from_slice(wanted.as_bytes());
    answer.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_line_names_the_wanted_version() {
        for (block, expected) in [
            ("", "clientversion:p-1.0.0\n"),
            ("a\n", "a\nclientversion:p-1.0.0\n"),
            ("a", "a\nclientversion:p-1.0.0\n"),
            (
                "a\nclientversion:7\n b\nclientversion:8\n clientversion:9\n",
                "a\nclientversion:p-1.0.0\n b\n clientversion:9\n",
            ),
        ] {
            let answer = with_version(block.as_bytes(), Some("p-1.0.0"));
            assert_eq!(String::from_utf8(answer).unwrap(), expected);
        }
        let old = b"a\nclientversion:7\nclientversion:8";
        assert_eq!(with_version(old, None), old);
    }
}
