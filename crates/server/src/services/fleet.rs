//! The fleet file in force: what each host is told, and who is told of what.
//!
//! The file on disk is only the way in. What was accepted is in the database with a number, and that is what all
//! servers follow; a bad file changes nothing. A server takes its own file over when the file changes, and at its
//! start when the file is newer than what is in force.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use lockstep_fleet::{Errors, Fleet};
use lockstep_model::alert::{AlertRules, Way};
use lockstep_model::api::WorkAnswer;
use lockstep_model::api::operator::{FleetText, FleetView, HostView};
use lockstep_model::{ContentHash, HostName, Interval, ProblemKind, Work};

use super::audit;
use crate::app::App;
use crate::hints::Hint;
use crate::web::Refusal;

/// How often the file and the database are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// Hosts whose documents are remembered.
const REMEMBERED: usize = 200_000;

/// What is in force on this server.
#[derive(Debug, Default)]
pub(crate) struct FleetInForce {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    accepted: Option<Arc<Accepted>>,
    /// The file as it was when it was last looked at.
    seen: Option<Seen>,
    /// What is wrong with the file, if it was refused.
    refused: Vec<String>,
    /// A newer server accepted a file that this one does not understand.
    is_behind: bool,
}

/// A file's looks from outside: a change of any of it is a reason to read it.
type Seen = Vec<(std::path::PathBuf, SystemTime, u64)>;

/// A fleet file that was accepted.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// Its number.
    pub(crate) version: u64,
    /// When it was accepted.
    pub(crate) accepted_at: Timestamp,
    /// What it says.
    pub(crate) fleet: Fleet,
    /// Who is told of what.
    pub(crate) rules: AlertRules,
    files: Vec<FleetText>,
    works: Mutex<HashMap<HostName, Brief>>,
    groups: Mutex<HashMap<HostName, Vec<String>>>,
    abouts: Mutex<HashMap<HostName, Arc<About>>>,
    dependents: OnceLock<HashMap<HostName, Vec<HostName>>>,
}

/// What people want to know of a host beside its items.
#[derive(Debug, Default)]
pub(crate) struct About {
    /// Who cares for it.
    pub(crate) owner: Option<String>,
    /// What there is to read, by what it is called.
    pub(crate) links: BTreeMap<String, String>,
}

impl About {
    /// Says so in a view of the host.
    pub(crate) fn tell(&self, view: &mut HostView) {
        view.owner.clone_from(&self.owner);
        view.links.clone_from(&self.links);
    }
}

/// What of a work document is needed again and again.
#[derive(Debug, Clone, Copy)]
struct Brief {
    hash: ContentHash,
    report: Interval,
}

impl Accepted {
    /// What a host is told to watch.
    pub(crate) fn work(&self, host: &HostName) -> WorkAnswer {
        answer(&self.fleet, host)
    }

    /// The identity of that, and how often the host reports, at the cost of a look-up.
    fn brief(&self, host: &HostName) -> Brief {
        let works = || self.works.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(brief) = works().get(host) {
            return *brief;
        }
        let work = self.fleet.work_for(host);
        let brief = Brief {
            hash: lockstep_fleet::hash_of(&work),
            report: work.report,
        };
        let mut works = works();
        if works.len() >= REMEMBERED {
            works.clear();
        }
        works.insert(host.clone(), brief);
        brief
    }

    /// The groups of a host, at the cost of a look-up.
    pub(crate) fn groups_of(&self, host: &HostName) -> Vec<String> {
        let groups = || self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = groups().get(host) {
            return known.clone();
        }
        let found = self.fleet.groups_of(host).into_iter();
        let found: Vec<String> = found.map(String::from).collect();
        let mut groups = groups();
        if groups.len() >= REMEMBERED {
            groups.clear();
        }
        groups.insert(host.clone(), found.clone());
        found
    }

    /// Whose a host is and what there is to read, at the cost of a look-up.
    pub(crate) fn about(&self, host: &HostName) -> Arc<About> {
        let abouts = || self.abouts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = abouts().get(host) {
            return Arc::clone(known);
        }
        let links = self.fleet.links_of(host).into_iter();
        let found = Arc::new(About {
            owner: self.fleet.owner_of(host).map(str::to_owned),
            links: links.map(|(name, to)| (name.into(), to.into())).collect(),
        });
        let mut abouts = abouts();
        if abouts.len() >= REMEMBERED {
            abouts.clear();
        }
        abouts.insert(host.clone(), Arc::clone(&found));
        found
    }

    /// The hosts of the file that depend on this one.
    pub(crate) fn dependents_of(&self, host: &HostName) -> &[HostName] {
        let dependents = self.dependents.get_or_init(|| {
            let mut dependents: HashMap<HostName, Vec<HostName>> = HashMap::new();
            for other in self.fleet.hosts() {
                for parent in self.fleet.parents_of(other) {
                    let known = dependents.entry(parent.clone()).or_default();
                    known.push(other.clone());
                }
            }
            dependents
        });
        dependents.get(host).map_or(&[], Vec::as_slice)
    }

    /// How often a host reports.
    pub(crate) fn report_interval(&self, host: &HostName) -> Interval {
        self.brief(host).report
    }
}

impl FleetInForce {
    /// What is in force; none without a fleet file.
    pub(crate) fn accepted(&self) -> Option<Arc<Accepted>> {
        self.state().accepted.clone()
    }

    /// The identity of what a host is told; none for the defaults. `in_force` is what the host has: a server that does
    /// not understand the newest file leaves it at that.
    pub(crate) fn hash(
        &self,
        host: &HostName,
        in_force: Option<ContentHash>,
    ) -> Option<ContentHash> {
        if self.is_behind() {
            return in_force;
        }
        self.accepted().map(|accepted| accepted.brief(host).hash)
    }

    /// What is wrong with the newest file, if it was refused.
    pub(crate) fn refused(&self) -> Vec<String> {
        self.state().refused.clone()
    }

    /// True if a newer server accepted a file that this one does not understand: then it decides nothing by an older.
    pub(crate) fn is_behind(&self) -> bool {
        self.state().is_behind
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows file and database as long as the server runs.
pub(crate) async fn follow(app: Arc<App>) {
    loop {
        tokio::select! {
            () = app.stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
            () = app.reload.notified() => {
                // An order counts whatever the file looks like.
                app.fleet.state().seen = None;
            }
        }
        look(&app, "the file changed").await;
    }
}

/// Brings what is in force up to date at the start.
pub(crate) async fn begin(app: &App) -> Result<(), crate::Error> {
    follow_database(app)
        .await
        .map_err(crate::Error::database("reading the fleet file in force"))?;
    let path = app.config.fleet_file();
    let seen = seen(&path);
    let newer = match app.fleet.accepted() {
        None => !seen.is_empty(),
        Some(accepted) => seen.iter().any(|(_, changed, _)| {
            Timestamp::try_from(*changed).is_ok_and(|changed| changed > accepted.accepted_at)
        }),
    };
    if newer {
        look(app, "the server started").await;
    } else {
        app.fleet.state().seen = Some(seen);
    }
    Ok(())
}

/// Takes over what another server accepted, and then the file if it looks otherwise than last time.
pub(crate) async fn look(app: &App, why: &str) {
    if let Err(error) = follow_database(app).await {
        tracing::warn!(%error, "the fleet file in force could not be read; tried again");
        return;
    }
    let path = app.config.fleet_file();
    let now_seen = seen(&path);
    let changed = app.fleet.state().seen.as_ref() != Some(&now_seen);
    if !changed || now_seen.is_empty() {
        return;
    }
    match reload(app, why).await {
        Ok(_) => {}
        Err(refusal) => {
            tracing::error!(why = refusal.detail(), file = %path.display(), "the fleet file is not taken over; the old one stays in force")
        }
    }
}

/// Reads the file and takes it over.
pub(crate) async fn reload(app: &App, who: &str) -> Result<FleetView, Refusal> {
    let path = app.config.fleet_file();
    // Before it is read: what changes meanwhile is seen at the next look.
    app.fleet.state().seen = Some(seen(&path));
    let loaded = tokio::task::spawn_blocking({
        let path = path.clone();
        move || Fleet::load(&path)
    });
    let loaded = loaded
        .await
        .map_err(|error| Refusal::internal("reading the fleet file", &error))?;
    let fleet = match loaded {
        Ok(fleet) => fleet,
        Err(errors) => return Err(refuse(app, &errors)),
    };
    let (fleet, checked) = tokio::task::spawn_blocking(move || {
        let checked = check_templates(&fleet).and_then(|()| check_sizes(&fleet));
        (fleet, checked)
    })
    .await
    .map_err(|error| Refusal::internal("checking the fleet file", &error))?;
    if let Err(error) = checked {
        app.fleet.state().refused = vec![error.clone()];
        return Err(Refusal::bad_request(error));
    }
    let now = app.now();
    let files = texts(&fleet);
    let unchanged = app
        .fleet
        .accepted()
        .is_some_and(|accepted| accepted.files == files);
    app.fleet.state().refused.clear();
    if !unchanged {
        let version = app
            .store
            .accept_fleet(&files, &fleet.fingerprint(), who, now)
            .await?;
        audit::note(app, who, &format!("took over fleet file {version}"), now).await;
        put_in_force(app, version, now, fleet);
    }
    view(app)
}

/// What the fleet file's own check does not know: which names a template may use.
fn check_templates(fleet: &Fleet) -> Result<(), String> {
    for (name, receiver) in &fleet.alert_rules().receivers {
        for way in &receiver.ways {
            if let Way::Template { body, .. } = way {
                lockstep_notify::check_template(body)
                    .map_err(|error| format!("the template of receiver {name:?}: {error}"))?;
            }
        }
    }
    Ok(())
}

/// That each host of the file can fetch what it is told: an agent reads no larger answer.
fn check_sizes(fleet: &Fleet) -> Result<(), String> {
    for host in fleet.hosts() {
        let bytes = serde_json::to_vec(&answer(fleet, host))
            .map_err(|error| format!("the work document of {host} cannot be written: {error}"))?
            .len();
        if bytes > Work::LARGEST {
            return Err(format!(
                "the work document of {host} has {bytes} bytes, and an agent takes {} at most; give it fewer items, or \
                 shorter options",
                Work::LARGEST
            ));
        }
    }
    Ok(())
}

/// What a host is told when it asks.
fn answer(fleet: &Fleet, host: &HostName) -> WorkAnswer {
    let work = fleet.work_for(host);
    let hash = lockstep_fleet::hash_of(&work);
    WorkAnswer { hash, work }
}

fn refuse(app: &App, errors: &Errors) -> Refusal {
    let words: Vec<String> = errors.shown.iter().map(ToString::to_string).collect();
    app.fleet.state().refused.clone_from(&words);
    let detail = format!(
        "the fleet file has errors, the old one stays in force:\n{}",
        words.join("\n")
    );
    Refusal::new(ProblemKind::BadRequest, detail)
}

/// Takes over what another server, or an earlier start of this one, accepted.
async fn follow_database(app: &App) -> Result<(), lockstep_store::Error> {
    let known = app.fleet.accepted().map(|accepted| accepted.version);
    let Some(stored) = app.store.newest_fleet().await? else {
        return Ok(());
    };
    if known >= Some(stored.version) {
        return Ok(());
    }
    let texts = stored.files.into_iter().map(|file| (file.name, file.text));
    match Fleet::parse(texts.collect()) {
        Ok(fleet) => put_in_force(app, stored.version, stored.accepted_at, fleet),
        // A newer server accepted what this one does not understand.
        Err(errors) => {
            app.fleet.state().is_behind = true;
            let words: Vec<String> = errors.shown.iter().map(ToString::to_string).collect();
            tracing::error!(
                version = stored.version,
                errors = words.join("; "),
                "the fleet file in force is not understood by this server"
            );
        }
    }
    Ok(())
}

fn put_in_force(app: &App, version: u64, accepted_at: Timestamp, fleet: Fleet) {
    let accepted = Accepted {
        version,
        accepted_at,
        rules: fleet.alert_rules().clone(),
        files: texts(&fleet),
        works: Mutex::default(),
        groups: Mutex::default(),
        abouts: Mutex::default(),
        dependents: OnceLock::new(),
        fleet,
    };
    {
        let mut state = app.fleet.state();
        state.accepted = Some(Arc::new(accepted));
        state.is_behind = false;
    }
    tracing::info!(version, "a fleet file is in force");
    app.lock_facts.forget();
    app.wake.notify_one();
    let hosts = app.streams.count();
    app.hints.give(Hint::ReportAll { hosts });
}

fn texts(fleet: &Fleet) -> Vec<FleetText> {
    let text = |(name, text): (&str, &str)| FleetText {
        name: name.into(),
        text: text.into(),
    };
    fleet.texts().map(text).collect()
}

/// Refuses a group that the fleet file in force does not name: a list of its hosts' problems would be empty for ever, and
/// whoever misspelt it, or has it from before it was renamed, would read that all is well.
pub(crate) fn known_group(app: &App, group: &str) -> Result<(), Refusal> {
    match app.fleet.accepted() {
        Some(accepted) if accepted.fleet.groups().any(|known| known == group) => Ok(()),
        Some(_) => Err(Refusal::not_found(format!(
            "the fleet file has no group {group:?}"
        ))),
        None => Err(Refusal::not_found(format!(
            "there is no fleet file, so there is no group {group:?}"
        ))),
    }
}

/// The fleet file in force, for operators.
pub(crate) fn view(app: &App) -> Result<FleetView, Refusal> {
    let state = app.fleet.state();
    let Some(accepted) = &state.accepted else {
        let path = app.config.fleet_file();
        let words = match &state.refused[..] {
            [] => format!(
                "there is no fleet file; write {} and run lockstep fleet reload",
                path.display()
            ),
            errors => format!("the fleet file has errors:\n{}", errors.join("\n")),
        };
        return Err(Refusal::not_found(words));
    };
    Ok(FleetView {
        version: accepted.version,
        accepted_at: accepted.accepted_at,
        files: accepted.files.clone(),
        refused: state.refused.clone(),
    })
}

/// The file and its fragments from outside; empty if there is no file.
fn seen(path: &Path) -> Seen {
    let fragments = path.parent().map(|dir| dir.join("fleet.d"));
    let fragments = fragments.and_then(|dir| std::fs::read_dir(dir).ok());
    let fragments = fragments.into_iter().flatten().filter_map(Result::ok);
    let paths = std::iter::once(path.to_owned()).chain(fragments.map(|entry| entry.path()));
    let mut seen: Seen = paths
        .filter_map(|path| {
            let metadata = std::fs::metadata(&path).ok()?;
            Some((path, metadata.modified().ok()?, metadata.len()))
        })
        .take(1_000)
        .collect();
    seen.sort();
    seen
}
