//! Versions of the agent to be tried: the program under test behind a script that may spoil it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What is wrong with a version.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Candidate {
    /// Nothing.
    Good,
    /// Nothing; its bundle carries this many bytes of ballast.
    Large(usize),
    /// Its worker ends at once.
    DiesAtStart,
    /// Its worker checks in and dies soon after.
    DiesInProbation,
    /// Its worker begins, checks in, and then stands still.
    Hangs,
    /// Its worker runs but looks for the server where there is none.
    DoesNotCheckIn,
    /// Its worker runs and takes 300 MB of memory beside.
    Bloated,
    /// Its check says no.
    FailsPreflight,
    /// Nothing, until there is a file `die` in its root; then its worker ends at once.
    DiesWhenTold,
    /// It is so old that it refuses a configuration with `[wishes]`.
    KnowsNoWishes,
    /// It is so old that it moves the memory aside, which it cannot read, and then says that it would run.
    MovesMemoryAside,
}

impl Candidate {
    fn script(self) -> String {
        let program = env!("CARGO_BIN_EXE_lockstep");
        let no_wishes = "grep -q '^.wishes' \"${LOCKSTEP_ROOT:-$4}/etc/lockstep/agent.toml\" && \
                         { echo 'unknown field wishes' >&2; exit 78; }";
        let as_worker = match self {
            Self::Good | Self::Large(_) | Self::FailsPreflight | Self::MovesMemoryAside => "",
            Self::DiesWhenTold => "[ -e \"$4/die\" ] && exit 9",
            Self::KnowsNoWishes => no_wishes,
            Self::DiesAtStart => "echo 'this version has a fault of its own' >&2; exit 7",
            // The worker is this very process after the last line, so its own pid is what is killed.
            Self::DiesInProbation => "( sleep 1.5; kill -9 $$ ) &",
            Self::Hangs => "( sleep 1.5; kill -STOP $$ ) &",
            Self::Bloated => {
                "{ head -c 300000000 /dev/zero; exec sleep 30; } | tail -c 300000000 >/dev/null &"
            }
            // A shadow of the root whose configuration names a server that nobody is.
            Self::DoesNotCheckIn => {
                r#"root="$4"
    shadow="$root/var/lib/lockstep/shadow"
    rm -rf "$shadow"; mkdir -p "$shadow/etc/lockstep"
    ln -s "$root/var" "$root/opt" "$root/run" "$shadow/"
    sed 's,^servers = .*,servers = ["https://127.0.0.1:1"],' "$root/etc/lockstep/agent.toml" > "$shadow/etc/lockstep/agent.toml"
    slot="$shadow/${6#"$root"/}"
    shift 6; set -- agent worker --root "$shadow" --slot "$slot" "$@""#
            }
        };
        let as_preflight = match self {
            Self::FailsPreflight => "echo 'this version cannot run here' >&2; exit 1",
            Self::KnowsNoWishes => no_wishes,
            Self::MovesMemoryAside => {
                r#"memory="$LOCKSTEP_ROOT/var/lib/lockstep/memory.json"; mv "$memory" "$memory.damaged""#
            }
            _ => "",
        };
        format!(
            "#!/bin/sh\n\
             if [ \"$1 $2\" = 'agent worker' ]; then\n    :\n    {as_worker}\nfi\n\
             if [ \"$1 $2\" = 'agent preflight' ]; then\n    :\n    {as_preflight}\nfi\n\
             exec {program} \"$@\"\n"
        )
    }

    /// Lays out the bundle's tree.
    pub(crate) fn lay_out(self, tree: &Path) {
        let bin = tree.join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::write(bin.join("lockstep"), self.script()).unwrap();
        std::fs::set_permissions(bin.join("lockstep"), std::fs::Permissions::from_mode(0o755))
            .unwrap();
        if let Self::Large(bytes) = self {
            // Nothing that a compressor could make smaller.
            let mut random = fastrand::Rng::with_seed(7);
            let ballast: Vec<u8> = std::iter::repeat_with(|| random.u8(..))
                .take(bytes)
                .collect();
            std::fs::write(tree.join("ballast"), ballast).unwrap();
        }
    }
}
