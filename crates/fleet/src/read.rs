//! Reading tables key by key. Whoever reads says what he expects; everything else becomes a fault with its place,
//! and reading goes on.

use std::ops::{Range, RangeInclusive};

use lockstep_model::{Interval, Setting};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::distance::question;
use crate::fault::{Faults, list, quoted};
use crate::source::{At, Sources};

/// Something that was set, and where.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Set<T> {
    pub(crate) value: T,
    pub(crate) at: At,
}

/// Most entries of one list.
const MOST_IN_A_LIST: usize = 20_000;

/// One text that is being read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) sources: &'a Sources,
    pub(crate) faults: &'a Faults,
    pub(crate) file: u16,
}

impl<'a> Reader<'a> {
    pub(crate) fn at(&self, span: Range<usize>) -> At {
        let small = |byte: usize| u32::try_from(byte).unwrap_or(u32::MAX);
        At {
            file: self.file,
            start: small(span.start),
            end: small(span.end),
        }
    }

    /// The keys of a table.
    pub(crate) fn section(self, table: &'a DeTable<'a>, at: At) -> Section<'a> {
        Section {
            reader: self,
            table,
            at,
            known: Vec::new(),
        }
    }
}

/// A table of which keys are taken one by one. What nobody takes is unknown.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    pub(crate) reader: Reader<'a>,
    table: &'a DeTable<'a>,
    /// Where its name stands.
    pub(crate) at: At,
    known: Vec<&'static str>,
}

/// A key with its value.
#[derive(Debug, Clone)]
pub(crate) struct Field<'a> {
    pub(crate) reader: Reader<'a>,
    pub(crate) key: &'a str,
    pub(crate) key_at: At,
    value: &'a DeValue<'a>,
    pub(crate) at: At,
}

impl<'a> Section<'a> {
    /// The value of a key, if it is there.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<Field<'a>> {
        self.known.push(key);
        let (key, value) = self.table.get_key_value(key)?;
        Some(self.field(key, value))
    }

    fn field(
        &self,
        key: &'a Spanned<toml::de::DeString<'a>>,
        value: &'a Spanned<DeValue<'a>>,
    ) -> Field<'a> {
        Field {
            reader: self.reader,
            key: key.get_ref(),
            key_at: self.reader.at(key.span()),
            value: value.get_ref(),
            at: self.reader.at(value.span()),
        }
    }

    /// The keys that nobody has taken, in the order of the text, and the ones that could have been.
    pub(crate) fn rest(self) -> (Vec<Field<'a>>, Vec<&'static str>) {
        let others = self
            .table
            .iter()
            .filter(|(key, _)| !self.known.contains(&key.get_ref().as_ref()));
        let mut others: Vec<_> = others.map(|(key, value)| self.field(key, value)).collect();
        others.sort_by_key(|field| field.key_at);
        (others, self.known)
    }

    /// Refuses the keys that nobody has taken.
    pub(crate) fn finish(self) {
        let (others, known) = self.rest();
        for other in others {
            other.unknown("key", &known);
        }
    }

    /// Something is wrong with the table as a whole.
    pub(crate) fn fault(&self, message: impl Into<String>) {
        self.reader.faults.add(self.at, message);
    }
}

impl<'a> Field<'a> {
    pub(crate) fn fault(&self, message: impl Into<String>) {
        self.reader.faults.add(self.at, message);
    }

    /// The key is none of those that are known.
    pub(crate) fn unknown(&self, what: &str, known: &[&str]) {
        // A table is hardly a slip of the finger: somebody means something that is not there.
        let is_name = self.value.is_table() && what == "key";
        let known_words = known.iter().copied().filter(|_| !is_name);
        let question = question(self.key, known_words);
        let message = format!("unknown {what} {}{question}", quoted(self.key));
        let mut note = format!("known here: {}", list(known.iter().copied()));
        if is_name {
            note = format!(
                "{note}; a name with dots is written in quotes, as in [host.\"web1.example.org\"]"
            );
        }
        self.reader
            .faults
            .add_with(self.key_at, message, Some(note));
    }

    fn expected(&self, what: &str) {
        let found = match self.value {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.fault(format!("{} must be {what}, not {found}", quoted(self.key)));
    }

    fn set<T>(&self, value: T) -> Set<T> {
        Set { value, at: self.at }
    }

    pub(crate) fn is_text(&self) -> bool {
        self.value.is_str()
    }

    /// A text.
    pub(crate) fn text(&self) -> Option<Set<String>> {
        match self.value.as_str() {
            Some(text) => Some(self.set(text.to_owned())),
            None => {
                self.expected("a text");
                None
            }
        }
    }

    /// A text that a parser accepts.
    pub(crate) fn parsed<T, E: ToString>(
        &self,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Set<T>> {
        let text = self.text()?;
        match parse(&text.value) {
            Ok(value) => Some(self.set(value)),
            Err(error) => {
                self.fault(error.to_string());
                None
            }
        }
    }

    /// An interval that makes sense here.
    pub(crate) fn interval(&self, sane: RangeInclusive<Interval>) -> Option<Set<Interval>> {
        let found = self.parsed(Interval::parse)?;
        if sane.contains(&found.value) {
            return Some(found);
        }
        self.fault(format!(
            "{} = \"{}\" must be between {} and {}",
            self.key,
            found.value,
            sane.start(),
            sane.end()
        ));
        None
    }

    /// A whole number that makes sense here.
    pub(crate) fn whole(&self, sane: RangeInclusive<i64>) -> Option<Set<i64>> {
        let Some(number) = self.value.as_integer() else {
            self.expected("a whole number");
            return None;
        };
        let value = i64::from_str_radix(number.as_str(), number.radix());
        match value {
            Ok(value) if sane.contains(&value) => Some(self.set(value)),
            _ => {
                self.fault(format!(
                    "{} must be between {} and {}",
                    self.key,
                    sane.start(),
                    sane.end()
                ));
                None
            }
        }
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.value.is_integer()
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self) -> Option<Set<bool>> {
        match self.value.as_bool() {
            Some(flag) => Some(self.set(flag)),
            None => {
                self.expected("true or false");
                None
            }
        }
    }

    pub(crate) fn is_empty_list(&self) -> bool {
        self.value.as_array().is_some_and(|list| list.is_empty())
    }

    /// The entries of a list.
    pub(crate) fn entries(&self) -> Option<Vec<Field<'a>>> {
        let Some(entries) = self.value.as_array() else {
            self.expected("a list");
            return None;
        };
        if entries.len() > MOST_IN_A_LIST {
            self.fault(format!("a list has at most {MOST_IN_A_LIST} entries"));
            return None;
        }
        let entries = entries.iter().map(|entry| Field {
            value: entry.get_ref(),
            at: self.reader.at(entry.span()),
            ..self.clone()
        });
        Some(entries.collect())
    }

    /// The texts of a list, each one once.
    pub(crate) fn texts(&self) -> Vec<Set<String>> {
        let entries = self.entries().unwrap_or_default();
        let mut seen = std::collections::BTreeSet::new();
        let mut texts = Vec::new();
        for entry in entries {
            let Some(text) = entry.text() else { continue };
            if seen.insert(text.value.clone()) {
                texts.push(text);
            } else {
                entry.fault(format!("{} stands in this list twice", quoted(&text.value)));
            }
        }
        texts
    }

    /// The texts of a list that a parser accepts.
    pub(crate) fn list<T, E: ToString>(&self, parse: impl Fn(&str) -> Result<T, E>) -> Vec<Set<T>> {
        let mut list = Vec::new();
        for text in self.texts() {
            match parse(&text.value) {
                Ok(value) => list.push(Set { value, at: text.at }),
                Err(error) => self.reader.faults.add(text.at, error.to_string()),
            }
        }
        list
    }

    /// As [`Field::list`], but a single text may stand for a list of one.
    pub(crate) fn one_or_more<T, E: ToString>(
        &self,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<Set<T>> {
        if self.is_text() {
            return self.parsed(parse).into_iter().collect();
        }
        if self.value.is_array() {
            return self.list(parse);
        }
        self.expected("a text or a list of texts");
        Vec::new()
    }

    /// A table with keys that are known by name.
    pub(crate) fn section(&self) -> Option<Section<'a>> {
        match self.value.as_table() {
            Some(table) => Some(self.reader.section(table, self.key_at)),
            None => {
                self.expected("a table");
                None
            }
        }
    }

    /// The entries of a table whose keys are names, in the order of the text.
    pub(crate) fn named(&self) -> Vec<Field<'a>> {
        let section = self.section();
        section.map(|section| section.rest().0).unwrap_or_default()
    }

    /// A table of texts.
    pub(crate) fn text_by_name(&self) -> Vec<(Field<'a>, Set<String>)> {
        let fields = self.named().into_iter();
        fields
            .filter_map(|field| field.text().map(|text| (field, text)))
            .collect()
    }

    /// The value of a probe's option, of whichever kind it is.
    pub(crate) fn setting(&self) -> Option<Set<Setting>> {
        let number = |number: Result<f64, std::num::ParseFloatError>| {
            let number = number.ok().filter(|number| number.is_finite());
            if number.is_none() {
                self.fault("not a number that can be used");
            }
            number.map(Setting::Number)
        };
        let setting = match self.value {
            DeValue::String(text) => Setting::Text(text.to_string()),
            DeValue::Boolean(flag) => Setting::Flag(*flag),
            DeValue::Integer(whole) => {
                let value = i64::from_str_radix(whole.as_str(), whole.radix()).ok();
                // Numbers of options are small; beyond 2^53 they would not even be exact.
                let Some(value) = value.filter(|value| value.unsigned_abs() < 1 << 53) else {
                    self.fault("not a number that can be used");
                    return None;
                };
                number(value.to_string().parse())?
            }
            DeValue::Float(float) => number(float.as_str().replace('_', "").parse())?,
            DeValue::Array(_) => {
                Setting::List(self.texts().into_iter().map(|text| text.value).collect())
            }
            DeValue::Datetime(_) | DeValue::Table(_) => {
                self.expected("a text, a number, true or false, or a list of texts");
                return None;
            }
        };
        Some(self.set(setting))
    }
}
