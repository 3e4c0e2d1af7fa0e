//! Events for spreadsheets (RFC 4180).

use lockstep_model::LevelNames;
use lockstep_model::api::StoredEvent;

/// The events, a line each, below a line of names.
#[must_use]
pub fn csv(events: &[StoredEvent], names: &LevelNames) -> String {
    let mut text = "at,received_at,host,item,kind,from,to,value,why,changes\r\n".to_owned();
    for stored in events {
        let event = &stored.event;
        let changes: Vec<&str> = stored.changes.iter().map(|it| it.what.as_str()).collect();
        let cells = [
            event.at.to_string(),
            stored.received_at.to_string(),
            event.host.to_string(),
            event.item.to_string(),
            event.kind.to_string(),
            names.name(event.from).to_owned(),
            names.name(event.to).to_owned(),
            event.value.to_string(),
            event.why.clone(),
            changes.join("; "),
        ];
        text += &cells.map(|cell| quoted(&cell)).join(",");
        text += "\r\n";
    }
    text
}

/// A cell. What a spreadsheet would take for a formula gets an apostrophe before it (OWASP, "CSV Injection").
fn quoted(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let apostrophe = if formula { "'" } else { "" };
    if formula || cell.contains([',', '"', '\r', '\n']) {
        return format!("\"{apostrophe}{}\"", cell.replace('"', "\"\""));
    }
    cell.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_are_no_formulas() {
        assert_eq!(quoted("disk_usage:/"), "disk_usage:/");
        assert_eq!(quoted("a,b \"c\""), "\"a,b \"\"c\"\"\"");
        assert_eq!(quoted("=HYPERLINK(1)"), "\"'=HYPERLINK(1)\"");
        assert_eq!(quoted("-1"), "\"'-1\"");
    }
}
