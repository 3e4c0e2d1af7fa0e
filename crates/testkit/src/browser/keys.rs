//! Keys of the keyboard, as the protocol wants to hear of them.

use serde_json::{Value, json};

/// The two events of a key that is pressed and let go: `Enter`, `Escape`, `/`, `Shift+Tab`, `Control+k`.
///
/// # Panics
/// If there is no such key here.
pub(super) fn presses(key: &str) -> [Value; 2] {
    let (modifiers, key) = match key.rsplit_once('+') {
        Some((held, key)) if !key.is_empty() => (held.split('+').map(modifier).sum(), key),
        _ => (0, key),
    };
    // Name, code and number: UI Events KeyboardEvent key and code values, and Windows' virtual key codes.
    let named = match key {
        "Enter" => Some(("Enter", 13, "\r")),
        "Space" => Some(("Space", 32, " ")),
        "Escape" => Some(("Escape", 27, "")),
        "Tab" => Some(("Tab", 9, "")),
        "Backspace" => Some(("Backspace", 8, "")),
        "Home" => Some(("Home", 36, "")),
        "End" => Some(("End", 35, "")),
        "ArrowLeft" => Some(("ArrowLeft", 37, "")),
        "ArrowUp" => Some(("ArrowUp", 38, "")),
        "ArrowRight" => Some(("ArrowRight", 39, "")),
        "ArrowDown" => Some(("ArrowDown", 40, "")),
        _ => None,
    };
    let (name, code, number, text) = match named {
        Some((code, number, text)) => {
            let name = if code == "Space" { " " } else { code };
            (name.to_owned(), code.to_owned(), number, text.to_owned())
        }
        None => {
            let mut characters = key.chars();
            let (Some(character), None) = (characters.next(), characters.next()) else {
                panic!("there is no key {key:?}");
            };
            let code = match character {
                'a'..='z' | 'A'..='Z' => format!("Key{}", character.to_ascii_uppercase()),
                '0'..='9' => format!("Digit{character}"),
                '/' | '?' => "Slash".into(),
                '.' | '>' => "Period".into(),
                ',' | '<' => "Comma".into(),
                _ => String::new(),
            };
            let number = u32::from(character.to_ascii_uppercase());
            (key.to_owned(), code, number, key.to_owned())
        }
    };
    // With Control, Alt or Meta held, a key writes nothing.
    let text = if modifiers & !SHIFT == 0 {
        text
    } else {
        String::new()
    };
    let event = |kind: &str, text: &str| {
        let mut event = json!({
            "type": kind, "key": name, "code": code, "modifiers": modifiers,
            "windowsVirtualKeyCode": number, "nativeVirtualKeyCode": number,
        });
        if !text.is_empty() {
            event["text"] = text.into();
        }
        event
    };
    let down = if text.is_empty() {
        "rawKeyDown"
    } else {
        "keyDown"
    };
    [event(down, &text), event("keyUp", "")]
}

/// The bit of the protocol that says that Shift is held.
const SHIFT: u32 = 8;

fn modifier(name: &str) -> u32 {
    match name {
        "Alt" => 1,
        "Control" => 2,
        "Meta" => 4,
        "Shift" => SHIFT,
        _ => panic!("there is no modifier {name:?}"),
    }
}
