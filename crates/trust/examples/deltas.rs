//! Measures a delta between two bundles; `scripts/figures deltas` runs it.
//!
//! ```text
//! deltas make OLD NEW DIR   makes it in both ways; archives, patches and what a host needs go into DIR
//! deltas apply DIR          applies it as a host does, in a process of its own whose memory is measured
//! ```
#![expect(clippy::print_stdout, reason = "a measurement prints")]

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use lockstep_model::{DeltaAlgorithm, DeltaDetails, DeltaEnd};
use lockstep_trust::bundle::{extract, inspect};
use lockstep_trust::delta::{MAX_ARCHIVE_BYTES, apply_packed, make};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["make", old, new, dir] => make_it(Path::new(old), Path::new(new), Path::new(dir)),
        ["apply", dir] => apply_it(Path::new(dir)),
        _ => Err("deltas make OLD NEW DIR | deltas apply DIR".into()),
    }
}

fn make_it(old: &Path, new: &Path, dir: &Path) -> Result<()> {
    let end = |bundle: &Path, name: &str| -> Result<(DeltaEnd, Vec<u8>)> {
        let inspected = inspect(File::open(bundle)?)?;
        let mut archive = Vec::new();
        let content = extract(File::open(bundle)?, MAX_ARCHIVE_BYTES, &mut archive)?;
        File::create(dir.join(name))?.write_all(&archive)?;
        let version = inspected.manifest.version;
        Ok((DeltaEnd { version, content }, archive))
    };
    let ((from, before), (to, after)) = (end(old, "old.tar")?, end(new, "new.tar")?);
    let began = Instant::now();
    let made = make(&before, &after)?;
    let took = began.elapsed();
    let manifest = inspect(File::open(new)?)?.manifest;
    let details = DeltaDetails {
        package: manifest.package,
        platform: manifest.platform,
        from,
        to,
        algorithm: made.algorithm,
    };
    File::create(dir.join("patch"))?.write_all(&made.bytes)?;
    File::create(dir.join("details.json"))?.write_all(&serde_json::to_vec(&details)?)?;
    std::fs::copy(old, dir.join("kept"))?;
    let (whole, raw) = (std::fs::metadata(new)?.len(), after.len() as u64);
    let delta = made.bytes.len() as u64;
    let zstd = made.zstd.map_or("none".into(), |length| length.to_string());
    println!(
        "archives: {} and {raw} bytes; bundle {whole} bytes",
        before.len()
    );
    println!("by bsdiff: {} bytes, by zstd: {zstd} bytes", made.bsdiff);
    println!(
        "delta: {delta} bytes by {}, {:.2} % of the archive, {:.1} % of the bundle, made in {:.1} s",
        made.algorithm,
        100.0 * delta as f64 / raw as f64,
        100.0 * delta as f64 / whole as f64,
        took.as_secs_f64()
    );
    Ok(())
}

fn apply_it(dir: &Path) -> Result<()> {
    let details: DeltaDetails = serde_json::from_slice(&std::fs::read(dir.join("details.json"))?)?;
    let anew = |name: &str| {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(true);
        options.open(dir.join(name))
    };
    // As the agent does it: from the kept bundle to a new one, through files.
    let began = Instant::now();
    let (old, packed) = (anew("old")?, anew("packed")?);
    let limit = details.from.content.length;
    let found = extract(File::open(dir.join("kept"))?, limit, &old)?;
    if found != details.from.content {
        return Err("the kept bundle is not what the delta leads from".into());
    }
    let unpacked = began.elapsed();
    let patch = File::open(dir.join("patch"))?;
    apply_packed(&details, &old, &patch, &packed)?;
    let all = began.elapsed();
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    println!(
        "applied by {}: {:.3} s, of it {:.3} s to unpack the old archive; peak {} in a process of its own; packed {} bytes",
        if details.algorithm == DeltaAlgorithm::Zstd {
            "zstd"
        } else {
            "bsdiff"
        },
        all.as_secs_f64(),
        unpacked.as_secs_f64(),
        peak.unwrap_or("unknown").trim(),
        packed.metadata()?.len()
    );
    Ok(())
}
