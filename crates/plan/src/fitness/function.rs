//! A fitness function, made ready to judge: its patterns compiled, and what it asks for looked up once.

use std::collections::BTreeMap;

use lockstep_model::{Fitness, LevelRule, Test, Value};
use regex_lite::{Regex, RegexBuilder};

/// Most memory that a compiled pattern may take, in bytes. It bounds the time of a match as well, which grows with
/// the pattern times the text.
const LARGEST_PATTERN: usize = 64 * 1024;

/// A fitness function, ready to judge.
#[derive(Debug)]
pub(super) struct Function {
    fitness: Fitness,
    /// Judges alone where the probe is a program: its own thresholds do not count.
    is_configured: bool,
    patterns: BTreeMap<String, Regex>,
    /// Why nothing can be judged by it.
    broken: Option<String>,
    /// Other probes that it asks.
    asks: Vec<String>,
    /// What it can judge.
    takes_numbers: bool,
    takes_texts: bool,
    /// A rule of its own says what a missing value is worth.
    knows_none: bool,
    print: u64,
}

impl Function {
    /// The function that an entry of the work document gives an item.
    pub(super) fn configured(fitness: Fitness) -> Self {
        Self::new(fitness, true)
    }

    /// The function of a probe. The probe's verdict counts too.
    pub(super) fn built_in(fitness: Fitness) -> Self {
        Self::new(fitness, false)
    }

    fn new(fitness: Fitness, is_configured: bool) -> Self {
        let mut function = Self {
            is_configured,
            patterns: BTreeMap::new(),
            broken: None,
            asks: Vec::new(),
            takes_numbers: fitness.rules.is_empty(),
            takes_texts: fitness.rules.is_empty(),
            knows_none: false,
            print: fingerprint(&fitness, is_configured),
            fitness: Fitness::default(),
        };
        for rule in &fitness.rules {
            let when = &rule.when;
            match &when.test {
                Test::Compare { .. } | Test::Outside(_) => function.takes_numbers = true,
                Test::Is(_) | Test::Not(_) | Test::Has(_) | Test::Matches(_) => {
                    function.takes_texts = true;
                }
                Test::Changed => {
                    function.takes_numbers = true;
                    function.takes_texts = true;
                }
                Test::None => function.knows_none = true,
            }
            let others = when.and.iter().map(|(probe, test)| {
                if !function.asks.contains(probe) {
                    function.asks.push(probe.clone());
                }
                test
            });
            let tests: Vec<&Test> = others.chain([&when.test]).collect();
            for test in tests {
                function.learn(test);
            }
        }
        // A function that knows nothing but a missing value takes whatever is there.
        if !function.takes_numbers && !function.takes_texts {
            function.takes_numbers = true;
            function.takes_texts = true;
        }
        function.fitness = fitness;
        function
    }

    fn learn(&mut self, test: &Test) {
        let Test::Matches(pattern) = test else {
            return;
        };
        match RegexBuilder::new(pattern)
            .size_limit(LARGEST_PATTERN)
            .build()
        {
            Ok(regex) => {
                self.patterns.insert(pattern.clone(), regex);
            }
            Err(error) => {
                self.broken = Some(format!(
                    "the pattern {pattern:?} is not understood: {error}"
                ));
            }
        }
    }

    pub(super) fn fitness(&self) -> &Fitness {
        &self.fitness
    }

    pub(super) fn rules(&self) -> &[LevelRule] {
        &self.fitness.rules
    }

    pub(super) fn is_configured(&self) -> bool {
        self.is_configured
    }

    pub(super) fn knows_none(&self) -> bool {
        self.knows_none
    }

    /// The other probes whose values it wants to know.
    pub(super) fn asks(&self) -> &[String] {
        &self.asks
    }

    /// A number that is another one for every other function, and the same after a restart.
    pub(super) fn print(&self) -> u64 {
        self.print
    }

    pub(super) fn matches(&self, pattern: &str, text: &str) -> bool {
        self.patterns
            .get(pattern)
            .is_some_and(|regex| regex.is_match(text))
    }

    /// Why a value cannot be judged; nothing if it can.
    pub(super) fn refuses(&self, value: &Value) -> Option<String> {
        if let Some(why) = &self.broken {
            return Some(why.clone());
        }
        match value {
            Value::None(_) => None,
            Value::Text(_) if self.takes_texts => None,
            Value::Text(_) => Some("the probe found a text, a number is expected".into()),
            Value::Number { .. } if !self.takes_numbers => {
                Some("the probe found a number, a text is expected".into())
            }
            Value::Number { unit, .. } => {
                let mut tests = self.fitness.rules.iter().map(|rule| &rule.when.test);
                tests.find_map(|test| refuses_unit(test, unit))
            }
        }
    }
}

/// Why a number of this unit cannot be tested; a limit without a unit takes any.
pub(super) fn refuses_unit(test: &Test, unit: &str) -> Option<String> {
    match test {
        Test::Compare { limit, .. } if !limit.unit.is_empty() && limit.unit != unit => Some(
            format!("its unit is {unit:?}, {:?} is expected", limit.unit),
        ),
        _ => None,
    }
}

/// FNV-1a with 64 bits (draft-eastlake-fnv) of the function's own words: of the standard library's hashes none is
/// promised to be the same tomorrow.
fn fingerprint(fitness: &Fitness, is_configured: bool) -> u64 {
    let mut words = format!("{is_configured}");
    if let Some(mean) = fitness.mean {
        words.push_str(&format!(" mean {mean}"));
    }
    for rule in &fitness.rules {
        words.push_str(&format!("\n{} {}", rule.level.rank(), rule.when));
    }
    words.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
