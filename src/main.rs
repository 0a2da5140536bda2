//! The `vitaledger` program: see [`vitaledger::cli`].

/// Millions of short-lived values per import: the system's allocator would take a tenth of the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    vitaledger::cli::run()
}
