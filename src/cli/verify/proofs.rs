//! Where consistency proofs come from: a service, a folder of tiles, a file. Whoever gives them is not trusted: only the hashes
//! count.

use crate::cli::{CommandError, read_input};
use crate::limits::{ANSWER_BYTES_MAX, PROOF_HASHES_MAX, TILE_BYTES_MAX};
use crate::proof::checkpoint::Checkpoint;
use crate::proof::merkle::TreeHash;
use crate::proof::tile_path::{TileKind, TilePath};
use crate::proof::tiles::{Prover, TILE_WIDTH, TileSource};
use crate::proof::verify::history::{Agreement, Contradiction, by_size, compare};
use clap::Args;
use data_encoding::HEXLOWER;
use serde::Deserialize;
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The source that was named, if one was.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(super) struct Proofs {
    /// A service that proves that one checkpoint extends another. It is not trusted.
    #[arg(long, value_name = "URL")]
    pub(super) url: Option<String>,
    /// A folder of the ledger's tiles (C2SP tlog-tiles), with `tile/` in it.
    #[arg(long, value_name = "DIR")]
    tiles: Option<PathBuf>,
    /// A proof as `/v1/proofs/consistency` answers it.
    #[arg(long, value_name = "FILE")]
    consistency: Option<PathBuf>,
}

/// The answer of `/v1/proofs/consistency`; of its notes nothing is believed.
#[derive(Deserialize)]
struct Answer {
    from: u64,
    to: u64,
    hashes: Vec<String>,
}

impl Proofs {
    /// Compares two checkpoints, with a proof if the source has one.
    pub(super) fn compare(
        &self,
        one: &Checkpoint,
        other: &Checkpoint,
    ) -> Result<Result<Agreement, Contradiction>, CommandError> {
        let without = compare(one, other, None);
        if without != Ok(Agreement::NotProved) {
            return Ok(without);
        }
        let (small, large) = by_size(one, other);
        let proof = self.between(small.size, large.size)?;
        Ok(compare(one, other, proof.as_deref()))
    }

    /// The proof from one size to a larger one; `None` if no source was named, or it has no such proof.
    fn between(&self, from: u64, to: u64) -> Result<Option<Vec<TreeHash>>, CommandError> {
        if let Some(url) = &self.url {
            let path = format!("{}/v1/proofs/consistency?from={from}&to={to}", url.trim_end_matches('/'));
            return match fetch(&path)? {
                Ok(answer) => read_answer(&answer, from, to),
                Err(problem) => {
                    println!("Not proved by {url}: {problem}.");
                    Ok(None)
                }
            };
        }
        if let Some(folder) = &self.tiles {
            let mut source = TileFolder(folder);
            let hashes = Prover::new(&mut source, to).consistency(from);
            return Ok(Some(hashes.map_err(|problem| format!("--tiles: {problem}"))?));
        }
        match &self.consistency {
            Some(file) => read_answer(&read_input(file)?, from, to),
            None => Ok(None),
        }
    }
}

fn read_answer(answer: &[u8], from: u64, to: u64) -> Result<Option<Vec<TreeHash>>, CommandError> {
    let answer: Answer = serde_json::from_slice(answer).map_err(|error| format!("not a consistency proof: {error}"))?;
    if (answer.from, answer.to) != (from, to) {
        println!("Not proved: the proof is from {} to {} entries, not from {from} to {to}.", answer.from, answer.to);
        return Ok(None);
    }
    let hash = |hex: &String| TreeHash::from_slice(&HEXLOWER.decode(hex.as_bytes()).ok()?);
    let hashes: Option<Vec<TreeHash>> = answer.hashes.iter().take(PROOF_HASHES_MAX + 1).map(hash).collect();
    Ok(Some(hashes.ok_or("not a consistency proof: a hash is not 64 hex digits")?))
}

/// What a service answers to a public question, at most so long; the inner error is its refusal, in words.
pub(super) fn fetch(url: &str) -> Result<Result<Vec<u8>, String>, CommandError> {
    let request = ureq::get(url)
        .config()
        .http_status_as_error(false)
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_global(Some(Duration::from_mins(1)))
        .build();
    let mut response = request.call().map_err(|error| format!("{url}: {error}"))?;
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
    let body = body.map_err(|error| format!("{url}: {error}"))?;
    Ok(if status == 200 { Ok(body) } else { Err(format!("it answered {status}")) })
}

/// Tiles as files of C2SP tlog-tiles.
struct TileFolder<'a>(&'a Path);

impl TileSource for TileFolder<'_> {
    type Error = std::io::Error;

    fn tile(&mut self, level: u32, n: u64, width: u64) -> Result<Vec<TreeHash>, std::io::Error> {
        // Where a partial tile has gone because the full one is there, that begins with it.
        let of_width = |width| TilePath::new(TileKind::Hashes(level), n, width);
        let missing =
            || std::io::Error::new(ErrorKind::NotFound, format!("tile {level}/{n} of width {width} is missing"));
        let most = u64::try_from(TILE_BYTES_MAX).unwrap_or(u64::MAX);
        for path in [of_width(TILE_WIDTH), of_width(width)].into_iter().flatten() {
            let mut bytes = Vec::new();
            match fs::File::open(self.0.join(path.to_string())) {
                Ok(file) => file.take(most).read_to_end(&mut bytes)?,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let wanted = usize::try_from(width).unwrap_or(usize::MAX);
            return Ok(bytes.chunks_exact(32).filter_map(TreeHash::from_slice).take(wanted).collect());
        }
        Err(missing())
    }
}
