use super::*;

fn shown(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let rule = |name: &str, rule: &Rule| format!("{name} {:?}", rule.fitness);
    match setting(&words, 2) {
        Err(why) => format!("left: {why}"),
        Ok((Judged::Items(items), _)) => {
            let items: Vec<String> = items
                .iter()
                .map(|item| rule(&item.name, &item.rule))
                .collect();
            items.join(", ")
        }
        Ok((
            Judged::Log {
                path,
                pattern,
                rule: it,
            },
            _,
        )) => rule(&format!("{path} /{pattern}/"), &it),
        Ok((Judged::File { path, rules }, _)) => {
            let rules: Vec<String> = rules.iter().map(|(probe, it)| rule(probe, it)).collect();
            format!("{path} {}", rules.join(", "))
        }
    }
}

#[test]
fn settings_become_judgements() {
    for (text, expected) in [
        (
            "LOAD 5.0 10.0",
            r#"cpu_load {"critical": ["> 5"], "sick": ["> 2.5"]}"#,
        ),
        ("load 8 8", r#"cpu_load {"critical": ["> 4"]}"#),
        ("UP 1h", r#"uptime {"sick": ["< 1h"]}"#),
        ("UP 10 4w red", r#"uptime {"critical": ["< 10m", "> 4w"]}"#),
        (
            "CLOCK 15 red",
            r#"clock_offset {"critical": ["outside -15:15"]}"#,
        ),
        (
            "DISK / 90 95",
            r#"disk_usage:/ {"critical": [">= 95%"], "sick": [">= 90%"]}"#,
        ),
        (
            "DISK *",
            r#"disk_usage:* {"critical": [">= 95%"], "sick": [">= 90%"]}"#,
        ),
        ("DISK /db 98 101", r#"disk_usage:/db {"sick": [">= 98%"]}"#),
        (
            "DISK %^/oracle.*/ 2G 1024U",
            r#"disk_free:/oracle*/* {"critical": ["< 1024KiB"], "sick": ["< 2GiB"]}"#,
        ),
        ("DISK / 1024U 1G", r#"disk_free:/ {"critical": ["< 1GiB"]}"#),
        ("DISK %^/run/user/\\d+$ IGNORE", ""),
        (
            "INODE * 70 90",
            r#"inode_usage:* {"critical": [">= 90%"], "sick": [">= 70%"]}"#,
        ),
        (
            "MEMACT 90 97",
            r#"memory_available {"critical": ["<= 3%"], "sick": ["<= 10%"]}"#,
        ),
        (
            "MEMSWAP 50 80",
            r#"swap_used {"critical": [">= 80%"], "sick": [">= 50%"]}"#,
        ),
        ("PROC cron", r#"process:cron {"critical": ["< 1"]}"#),
        (
            "PROC %^httpd$ 5 20 yellow TRACK=x",
            r#"process:httpd {"sick": ["< 5", "> 20"]}"#,
        ),
        (
            "PROC /usr/sbin/nrpe 0 0",
            r#"process:nrpe {"critical": ["> 0"]}"#,
        ),
        (
            "PORT LOCAL=%[.:]22$ STATE=LISTEN TEXT=ssh",
            r#"listening:22 {"critical": ["< 1"]}"#,
        ),
        (
            "PORT local=*:23 state=listen max=0 min=0 color=yellow",
            r#"listening:23 {"sick": ["> 0"]}"#,
        ),
        (
            "LOG /var/log/syslog a.b",
            r#"/var/log/syslog /a\.b/ {"critical": ["> 0 after 10m"]}"#,
        ),
        (
            "LOG %messages %WARN|NOTICE COLOR=yellow IGNORE=lpr",
            r#"%messages /(?i)WARN|NOTICE/ {"sick": ["> 0 after 10m"]}"#,
        ),
        (
            "FILE /etc/x yellow mtime<600",
            r#"/etc/x file_age {"sick": [">= 600s", "none"]}"#,
        ),
        (
            "FILE /etc/x size<1024 optional",
            r#"/etc/x file_size {"critical": [">= 1024KiB"]}"#,
        ),
        ("FILE /etc/x", r#"/etc/x file_age {"critical": ["none"]}"#),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn what_has_no_likeness_says_why() {
    for (text, part) in [
        ("LOAD x", "number"),
        ("LOAD -1 2", "number"),
        ("LOAD 1e9 inf", "number"),
        ("DISK /mnt IGNORE", "without"),
        ("DISK C 90 95", "mounted"),
        ("DISK / 101 101", "never"),
        ("DISK / 90 5U", "both"),
        ("DISK %^/(a|b) 90 95", "pattern"),
        ("INODE / 5U 5U", "inodes"),
        ("MEMPHYS 100 101", "memory_available"),
        ("PROC %java.*inst 1", "command line"),
        ("PROC x 5 1", "written"),
        ("PROC x 0", "any number"),
        ("PROC a*b", "command line"),
        ("PORT LOCAL=%[.:]80 STATE=ESTABLISHED", "sockets"),
        ("PORT REMOTE=x", "connections"),
        ("LOG /x %( ", "expression"),
        ("FILE /x md5=1", "age"),
        ("FILE /x noexist", "not there"),
        ("DIR /x", "directory"),
        ("SVC x", "Windows"),
        ("WHAT x", "no such setting"),
    ] {
        let shown = shown(text);
        assert!(
            shown.starts_with("left: ") && shown.contains(part),
            "{text}: {shown}"
        );
    }
}
