use std::collections::BTreeMap;
use std::path::PathBuf;

use lockstep_model::{Glob, HostName, ItemName};
use proptest::prelude::*;

use super::*;

mod of_dmon;
mod of_xymon;
mod properties;

/// Files that are not on a disk.
#[derive(Debug, Default)]
struct Shelf(BTreeMap<String, String>);

impl Shelf {
    fn of(files: &[(&str, &str)]) -> Self {
        Self(
            files
                .iter()
                .map(|(name, text)| ((*name).into(), (*text).into()))
                .collect(),
        )
    }
}

impl Files for Shelf {
    fn read(&self, name: &str) -> Result<Option<String>, String> {
        match name.starts_with('/') {
            true => Err("it lies outside".into()),
            false => Ok(self.0.get(name).cloned()),
        }
    }
    fn list(&self, name: &str) -> Result<Option<Vec<String>>, String> {
        let begin = format!("{name}/");
        let names: Vec<String> = self
            .0
            .keys()
            .filter(|key| key.starts_with(&begin))
            .cloned()
            .collect();
        Ok(Some(names).filter(|names| !names.is_empty()))
    }
}

/// The examples of the repository.
#[derive(Debug)]
struct Examples(PathBuf);

impl Examples {
    fn of(kind: &str) -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        Self(root.join("../../examples/import").join(kind))
    }
}

impl Files for Examples {
    fn read(&self, name: &str) -> Result<Option<String>, String> {
        Ok(std::fs::read_to_string(self.0.join(name)).ok())
    }
    fn list(&self, _: &str) -> Result<Option<Vec<String>>, String> {
        Ok(None)
    }
}

fn host(name: &str) -> HostName {
    HostName::parse(name).unwrap()
}

fn parsed(imported: &Imported) -> Fleet {
    Fleet::parse(vec![("fleet.toml".into(), imported.text.clone())])
        .unwrap_or_else(|errors| panic!("{errors}\n{}", imported.text))
}

/// What was left, as it is reported.
fn left(imported: &Imported) -> Vec<String> {
    imported.left.iter().map(ToString::to_string).collect()
}

/// The names of what a host watches.
fn items(fleet: &Fleet, name: &str) -> Vec<String> {
    let work = fleet.work_for(&host(name));
    work.items
        .iter()
        .map(|item| item.name.to_string())
        .collect()
}

/// How an item of a host is judged by the file; empty if it is not.
fn judged(fleet: &Fleet, name: &str, item: &str) -> Vec<String> {
    let work = fleet.work_for(&host(name));
    let item = work.items.iter().find(|it| it.name.as_str() == item);
    let rules = item
        .and_then(|it| it.fitness.as_ref())
        .map(|it| it.rules.as_slice());
    let rules = rules.unwrap_or_default().iter();
    rules
        .map(|rule| format!("{} {}", rule.level, rule.when))
        .collect()
}

/// Everything that was left stands in the fleet file as a comment.
fn assert_commented(imported: &Imported) {
    for left in left(imported) {
        let comment = write::comment(&left);
        assert!(
            imported.text.contains(&comment),
            "{comment} is not in\n{}",
            imported.text
        );
    }
}
