//! The query engine, with its limits and without its ways to the outside.
//!
//! What comes in: nothing. What goes out: contexts in which tables can be registered. What may
//! fail: nothing but the engine itself. What must stay true: no table, function or statement
//! reaches a file that is none of the registers, so the engine has no file system; what a query
//! sorts, groups and joins goes to temporary files when it would take too much memory.

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::object_store::memory::InMemory;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::versions::NOWHERE;

/// Memory that queries of one session may always take together, for what they sort, group and join.
const MEMORY_BYTES: u64 = 1 << 30;
/// They may take one part in so many of what is free when the session begins, if that is more:
/// what does not fit goes to temporary files, which takes several times as long.
const PART_OF_FREE: u64 = 4;
/// How many sorted temporary files are read together at most. Each takes some megabytes that are of
/// this sort alone until it ends: without a limit, the first of several sorts that gets so far takes
/// all memory that is left, and the others fail.
const MERGED_TOGETHER: usize = 16;
/// Where tables are, when their names are written out: `vitaledger.registers.births`.
pub(super) const CATALOG: &str = "vitaledger";
/// See [`CATALOG`].
pub(super) const SCHEMA: &str = "registers";

/// Bytes of memory that are free to this program; `None` where the system does not say.
///
/// Linux: `MemAvailable` of proc(5), or what the control group leaves (cgroups(7), version 2).
fn free_memory() -> Option<u64> {
    let known = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = known
        .lines()
        .find(|line| line.starts_with("MemAvailable:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    let of_group = |file: &str| {
        let text = std::fs::read_to_string(format!("/sys/fs/cgroup/{file}")).ok()?;
        text.trim().parse::<u64>().ok()
    };
    let left = of_group("memory.max").zip(of_group("memory.current"));
    let left = left.map(|(most, taken)| most.saturating_sub(taken));
    Some(left.unwrap_or(u64::MAX).min(kibibytes << 10))
}

/// Memory, temporary files, and nothing else.
pub(super) fn runtime() -> Result<Arc<RuntimeEnv>> {
    let bytes = MEMORY_BYTES.max(free_memory().unwrap_or_default() / PART_OF_FREE);
    let pool = Arc::new(FairSpillPool::new(
        usize::try_from(bytes).unwrap_or(usize::MAX),
    ));
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(pool)
        .with_max_spill_merge_fan_in(MERGED_TOGETHER)
        .build_arc()?;
    runtime.deregister_object_store(ObjectStoreUrl::local_filesystem().as_ref())?;
    // Scans ask for a store by its name before they read without it.
    let nowhere = ObjectStoreUrl::parse(NOWHERE)?;
    runtime.register_object_store(nowhere.as_ref(), Arc::new(InMemory::new()));
    Ok(runtime)
}

/// For queries that people and rules bring.
pub(super) fn context(runtime: Arc<RuntimeEnv>) -> SessionContext {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut config = SessionConfig::new()
        .with_target_partitions(cores)
        .with_information_schema(true)
        .with_default_catalog_and_schema(CATALOG, SCHEMA);
    let options = config.options_mut();
    // Errors point into the text.
    options.sql_parser.collect_spans = true;
    // A hash join cannot go to temporary files; of what is joined here, either side can be large.
    options.optimizer.prefer_hash_join = false;
    let state = SessionStateBuilder::new_with_default_features()
        .with_config(config)
        .with_runtime_env(runtime)
        // Formats of files that could be written or read.
        .with_file_formats(Vec::new())
        .build();
    SessionContext::new_with_state(state)
}
