//! The `vitaledger` program: see [`vitaledger::cli`].

fn main() -> std::process::ExitCode {
    vitaledger::cli::run()
}
