//! What may have been meant by a word that is not known.

/// Words longer than this are not compared: nobody mistypes them by a letter or two.
const LONGEST: usize = 64;

/// The known word that is nearest to the unknown one, if it is near at all. What counts is how many letters must be
/// added, removed, changed or swapped with their neighbour (optimal string alignment).
#[must_use]
pub fn nearest<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if unknown.chars().nth(LONGEST).is_some() {
        return None;
    }
    known
        .into_iter()
        .filter(|known| known.len() <= LONGEST)
        .map(|known| (strsim::osa_distance(unknown, known), known))
        .min()
        .filter(|(distance, known)| *distance <= slips(known))
        .map(|(_, known)| known)
}

/// How many slips are believed: none in words so short that any other word is near.
fn slips(word: &str) -> usize {
    match word.chars().count() {
        0..3 => 0,
        count => (count / 3).max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_finger_are_near() {
        let known = ["items", "hosts", "without", "every"];
        assert_eq!(nearest("itmes", known), Some("items"));
        assert_eq!(nearest("evry", known), Some("every"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(nearest("every", []), None);
    }

    #[test]
    fn short_words_are_near_to_nothing_and_long_ones_are_not_compared() {
        assert_eq!(nearest("at", ["as"]), None);
        assert_eq!(nearest("add", ["ack"]), None);
        assert_eq!(nearest("adk", ["ack"]), Some("ack"));
        let (long, longer) = ("a".repeat(64), "a".repeat(65));
        assert_eq!(nearest(&long, [long.as_str()]), Some(long.as_str()));
        assert_eq!(nearest(&longer, [long.as_str()]), None);
        assert_eq!(nearest(&long, [longer.as_str()]), None);
    }
}
