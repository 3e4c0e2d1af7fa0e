//! A message in simple HTML, for mail programs: one table, no images, nothing that is loaded from elsewhere.

use std::fmt::Write as _;

use lockstep_model::alert::Notice;

use crate::text::{self, Lines};

/// The whole message.
pub(crate) fn page(notice: &Notice) -> String {
    let mut html = String::from(
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head><body style=\"font-family:sans-serif\">\n",
    );
    let _ = writeln!(html, "<h3>{}</h3>", escape(&text::subject(notice)));
    if let Some(cause) = &notice.cause {
        let _ = writeln!(html, "<p>{}</p>", escape(&text::line(cause, 1000)));
    }
    if !notice.entries.is_empty() {
        html.push_str("<table cellpadding=\"6\" style=\"border-collapse:collapse\">\n");
    }
    for entry in &notice.entries {
        let Lines {
            word,
            host,
            item,
            value,
            more,
        } = text::lines(notice, entry);
        let more: Vec<_> = more.iter().map(|line| escape(line)).collect();
        let _ = writeln!(
            html,
            "<tr style=\"vertical-align:top;border-top:1px solid #ccc\"><td><b>{}</b></td>\
             <td>{}</td><td>{}</td><td><b>{}</b><br>{}</td></tr>",
            escape(&word),
            escape(&host),
            escape(&item),
            escape(&value),
            more.join("<br>")
        );
    }
    if !notice.entries.is_empty() {
        html.push_str("</table>\n");
    }
    if notice.more > 0 {
        let _ = writeln!(html, "<p>and {} more</p>", notice.more);
    }
    let footer = escape(&text::footer(notice));
    match notice.server_url.as_deref().filter(|url| is_web(url)) {
        Some(url) => {
            let url = escape(&text::line(url, 1000));
            let _ = writeln!(html, "<p>{footer} <a href=\"{url}\">{url}</a></p>");
        }
        None => {
            let _ = writeln!(html, "<p>{footer}</p>");
        }
    }
    html.push_str("</body></html>\n");
    html
}

fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use lockstep_model::Value;

    use super::*;
    use crate::samples::problem;

    #[test]
    fn what_an_item_says_is_text() {
        let mut notice = problem();
        notice.entries[0].value = Value::Text("<script>alert('x')</script> & \"y\"".into());
        notice.server_url = Some("javascript:alert(1)".into());
        let page = page(&notice);
        assert!(!page.contains("<script"), "{page}");
        assert!(!page.contains("javascript"), "{page}");
        assert!(
            page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;y&quot;")
        );
        assert!(page.contains("changed just before: lockstep 1.4.1 → 1.4.2, 3 minutes earlier"));
    }
}
