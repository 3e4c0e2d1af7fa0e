//! What may have been meant by a word that is not known.

/// Words longer than this are not compared: nobody mistypes them by a letter or two.
const LONGEST: usize = 64;

/// The known word that is nearest to the unknown one, if it is near at all.
fn nearest<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .filter(|known| known.len() <= LONGEST)
        .map(|known| (distance(unknown, known), known))
        .min()
        .filter(|(distance, known)| *distance <= slips(known))
        .map(|(_, known)| known)
}

/// The question behind an error: `; did you mean "items"?`, or nothing.
pub(crate) fn question<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    match nearest(unknown, known) {
        Some(meant) => format!("; did you mean \"{meant}\"?"),
        None => String::new(),
    }
}

/// How many slips are believed: none in words so short that any other word is near.
fn slips(word: &str) -> usize {
    match word.chars().count() {
        0..3 => 0,
        count => (count / 3).max(1),
    }
}

/// How many letters must be added, removed, changed or swapped with their neighbour to get from one word to the
/// other (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(LONGEST).collect();
    let b: Vec<char> = b.chars().take(LONGEST).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for j in 0..b.len() {
            let changed = above[j] + usize::from(a[i] != b[j]);
            let mut least = changed.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_finger_are_near() {
        assert_eq!(distance("items", "itmes"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        let known = ["items", "hosts", "without", "every"];
        assert_eq!(nearest("itmes", known), Some("items"));
        assert_eq!(nearest("evry", known), Some("every"));
        assert_eq!(nearest("colour", known), None);
    }
}
