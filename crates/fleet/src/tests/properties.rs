use proptest::prelude::*;

use super::*;

/// Pieces of which files are made, right and wrong ones.
const PIECES: [&str; 55] = [
    "[group.web]\n",
    "[group.db]\n",
    "[host.web1]\n",
    "[host.\"web2\"]\n",
    "[item.\"disk_usage:*\"]\n",
    "[fitness.disk_usage]\n",
    "[user.ann]\n",
    "[alert.x]\n",
    "[silence.s]\n",
    "[defaults]\n",
    "[alerts]\n",
    "[lock.db]\n",
    "[package.driveclient]\n",
    "[package.other]\npackage = \"driveclient\"\n",
    "[strategy.careful]\n",
    "[channel.stable]\nstrategy = \"careful\"\n",
    "[channel.beta]\n",
    "[follow.driveclient]\n",
    "[follow.lockstep]\nchannel = \"beta\"\n",
    "waves = [\"1\", \"ß\", \"100%\"]\n",
    "waves = [1, '100%']\nbake = \"1h\"\n",
    "domain = \"role\"\n",
    "site_bytes = \"5ü\"\n",
    "labels = [\"os=Deb*\", \"role=web\"]\n",
    "pin = \"1.2.3\"\n",
    "capacity = \"10%\"\n",
    "capacity = 2\n",
    "group = \"web\"\n",
    "groups = [\"web\", \"db\"]\n",
    "counts = [\"holders\", \"silent\", \">= critical\"]\n",
    "needs = [\"2 of 3 of web fine or 100% of db\"]\n",
    "lock = \"db\"\n",
    "apt = { uri = \"https://r.example.org\", suite = \"./\", key_file = \"k\" }\n",
    "dnf = { baseurl = 'https://ü', key = 'x' }\n",
    "spread = \"6h:50%, 14h:100%\"\n",
    "version = \"1.2-3\"\n",
    "hosts = [\"web*\", \"role=web\"]\n",
    "items = [\"cpu_load\", \"disk_usage:*\"]\n",
    "without = [\"disk*\"]\n",
    "depends = [\"web1\"]\n",
    "via = \"web1\"\n",
    "sample = \"30s\"\n",
    "every = \"30ß\"\n",
    "sick = \">= 90% for 5m\"\n",
    "critical = \"> 80%\"\n",
    "clear = \"2%\"\n",
    "mail = \"ann@example.org\"\n",
    "to = [\"ann\", \"bob\"]\n",
    "when = { level = \">= sick\", group = \"web\" }\n",
    "hours = \"Sun\"\nreason = \"x\"\n",
    "labels = { role = \"web\" }\n",
    "levels = [\"a\", \"b\"]\n",
    "x = \"\"\"\n",
    "fitness = { sick = '> 5'",
    "= [ü\n",
];

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,200}") {
        let _ = Fleet::parse(vec![("f".into(), text)]);
    }

    #[test]
    fn nor_does_anything_that_resembles_a_fleet_file(pieces in prop::collection::vec(0..PIECES.len(), 0..25), cut in 0_usize..400) {
        let mut text: String = pieces.into_iter().map(|piece| PIECES[piece]).collect();
        text = text.chars().take(cut).collect();
        let key = ("key_file:k".into(), crate::keys::tests::KEY.into());
        match Fleet::parse(vec![("f".into(), text), key]) {
            Ok(fleet) => {
                let _ = fleet.work_for(&host("web1"));
                prop_assert!(!fleet.follows(&host("web1"), &BTreeMap::new()).is_empty());
                for name in fleet.lock_names() {
                    let _ = lock_in_words(&fleet.lock_rule(name), fleet.levels());
                }
                let _ = fleet.explain(&host("web2"), &ItemName::parse("disk_usage:/").unwrap());
                prop_assert!(fleet.diff(&fleet, fleet.hosts()).is_empty());
            }
            Err(errors) => prop_assert!(!errors.to_string().is_empty()),
        }
    }

    #[test]
    fn fragments_with_different_things_may_come_in_any_order(order in Just(vec![0, 1, 2, 3, 4]).prop_shuffle()) {
        let fragments = [
            "[defaults]\nsample = \"2m\"\n[fitness.cpu_load]\nsick = \"> 3\"\n",
            "[defaults]\nreport = \"4m\"\n[item.cpu_load]\nevery = \"10s\"\nfitness = \"mine\"\n",
            "[group.web]\nhosts = [\"web*\", \"role=x\"]\nitems = [\"unit:nginx\"]\n[fitness.mine]\nsick = \"> 4\"\n",
            "[host.web1]\nlabels = { role = \"x\" }\n[group.b]\nhosts = [\"web1\"]\nwithout = [\"users\"]\n",
            "levels = [\"a\", \"b\", \"sick\", \"d\", \"e\"]\n[silence.s]\ngroups = [\"web\"]\nhours = \"Sun\"\nreason = \"x\"\n",
        ];
        let parse = |order: &[usize]| {
            let texts = order.iter().map(|&index| (format!("{index}.toml"), fragments[index].to_owned()));
            Fleet::parse(texts.collect()).unwrap_or_else(|errors| panic!("{errors}"))
        };
        let (plain, shuffled) = (parse(&[0, 1, 2, 3, 4]), parse(&order));
        for name in ["web1", "web2", "db1"] {
            let (one, other) = (plain.work_for(&host(name)), shuffled.work_for(&host(name)));
            prop_assert_eq!(hash_of(&one), hash_of(&other));
            prop_assert_eq!(one, other);
        }
        prop_assert!(plain.diff(&shuffled, plain.hosts()).is_empty());
    }

    /// Which of the places say anything, and what; the last one that does must count.
    #[test]
    fn a_more_particular_place_always_wins(said in prop::collection::vec(prop::option::of(1_u32..600), 7)) {
        let places = [
            "[item.\"*\"]\n",
            "[item.\"disk_usage:*\"]\n",
            "[item.\"disk_usage:/v*\"]\n",
            "[group.low.item.\"disk_usage:/v*\"]\n",
            "[group.high.item.\"disk_usage:*\"]\n",
            "[host.web1.item.\"*\"]\n",
            "[host.web1.item.\"disk_usage:/var\"]\n",
        ];
        let mut text = String::from(
            "[defaults]\nitems = [\"disk_usage:/var\"]\n[group.low]\nhosts = [\"web*\"]\n[group.high]\nhosts = [\"web1\"]\npriority = 1\n",
        );
        for (place, every) in places.iter().zip(&said) {
            if let Some(every) = every {
                text.push_str(&format!("{place}every = \"{every}s\"\n"));
            }
        }
        let expected = said.iter().rev().flatten().next();
        let fleet = fleet(&text);
        let work = fleet.work_for(&host("web1"));
        let found = entry(&work, "disk_usage:/var").every.map(|every| every.duration().as_secs());
        prop_assert_eq!(found, expected.map(|&every| u64::from(every)));
        prop_assert_eq!(hash_of(&work), hash_of(&super::fleet(&text).work_for(&host("web1"))));
        let explained = fleet.explain(&host("web1"), &ItemName::parse("disk_usage:/var").unwrap());
        let every = &explained.keys[1];
        let expected = expected.map_or("1m".into(), |&every| lockstep_model::Interval::from_secs(every.into()).to_string());
        prop_assert_eq!(&every.value, &expected);
    }
}
