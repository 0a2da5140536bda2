//! Arguments, with examples where they are not obvious.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// The language of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// English.
    En,
    /// Chinese.
    Zh,
}

/// An event-sourced, tamper-evident audit ledger for vital statistics.
#[derive(Debug, Parser)]
#[command(
    name = "vitaledger",
    version,
    about,
    after_help = "Examples:\n  vitaledger demo\n  vitaledger init && vitaledger import ./delivery && vitaledger verify\n  vitaledger report half-year --office 990101100000 --period 2014-H1 --lang zh\n\nExit codes: 0 ok, 1 unexpected, 2 usage, 10 findings, 11 integrity failure,\n12 some rows refused, 13 consistent but the trust root came with it, 20 storage unavailable, 21 not permitted."
)]
pub struct Arguments {
    /// The ledger's folder.
    #[arg(
        long,
        global = true,
        env = "VITALEDGER_DIR",
        default_value = "./ledger",
        value_name = "FOLDER"
    )]
    pub dir: PathBuf,
    /// Where the databases are: `sqlite`, in the folder, or the address of a PostgreSQL database.
    /// Keys and registers stay in the folder.
    #[arg(
        long,
        global = true,
        env = "VITALEDGER_STORE",
        default_value = "sqlite",
        hide_env_values = true,
        value_name = "ADDRESS"
    )]
    // Read later: what cannot be read must not be repeated, it may hold a password.
    pub store: String,
    /// Print data as JSON.
    #[arg(long, global = true)]
    pub json: bool,
    /// Language of texts.
    #[arg(
        long,
        global = true,
        env = "VITALEDGER_LANG",
        default_value = "en",
        value_enum
    )]
    pub lang: Language,
    /// Pseudonymous id of the acting person or system, as entries will name it.
    #[arg(long, global = true, env = "VITALEDGER_ACTOR", default_value = "operator", value_parser = actor)]
    pub actor: String,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Reads the pseudonym of somebody who acts.
pub fn actor(text: &str) -> Result<String, String> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    if text.is_empty() || text.len() > 64 || !text.bytes().all(allowed) {
        return Err(
            "an actor is a pseudonym of letters, digits, '_', '-' and '.', 64 at most".into(),
        );
    }
    Ok(text.to_owned())
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a ledger, its vault and its keys.
    #[command(
        after_help = "Example:\n  vitaledger init --dir /srv/county-ledger --origin ledger.example.org/county-990101"
    )]
    Init {
        /// Take times from the reports: for demonstrations, training and tests only.
        #[arg(long)]
        simulated_clock: bool,
        /// The origin line of the log's checkpoints, best a URL without scheme that you own.
        #[arg(long)]
        origin: Option<String>,
    },
    /// Record the files of a delivery: a folder, or CSV, XLSX and JSON Lines files.
    #[command(
        after_help = "Examples:\n  vitaledger import ./delivery\n  vitaledger import births-2014.xlsx --dry-run\n\nThe same file again records nothing twice. Refused rows go to rejects-<import id>.csv."
    )]
    Import(Import),
    /// Record one record, by columns or from a JSON object on standard input.
    #[command(
        after_help = "Examples:\n  vitaledger record birth source_record_id=B1 source=village office=990101100001 \\\n      occurred_on=2014-06-01 reported_on=2014-06-03 sex=F weight_g=3100\n  echo '{\"code\":\"990101000000\",\"level\":\"county\"}' | vitaledger record office -"
    )]
    Record(Record),
    /// Correct columns of a record; an empty value clears one.
    #[command(
        after_help = "Example:\n  vitaledger correct birth birth/village/B1 weight_g=3200 --reason 'misread scale'"
    )]
    Correct(Change),
    /// Withdraw a record.
    #[command(
        after_help = "Example:\n  vitaledger void birth birth/village/B1 --reason 'entered twice'"
    )]
    Void(VoidRecord),
    /// Show the life of a record: every change with old and new values, actor, times, leaf hash.
    #[command(
        after_help = "Examples:\n  vitaledger show birth/village/B1\n  vitaledger show 018f... --unseal --purpose 'complaint 12'"
    )]
    Show(Show),
    /// List entries in order.
    #[command(
        after_help = "Examples:\n  vitaledger log --kind birth --office 990101100001\n  vitaledger log --from 100 --follow\n  vitaledger log --json      # the stored bytes, one entry a line"
    )]
    Log(Log),
    /// Print what a register holds, now or at any moment; see or rebuild the registers' files.
    #[command(
        args_conflicts_with_subcommands = true,
        subcommand_negates_reqs = true,
        after_help = "Examples:\n  vitaledger registers births --csv\n  vitaledger registers registrations --as-of 2014-03-31 --office 990101100001\n  vitaledger registers births --limit 50 --after 1200\n  vitaledger registers offices --json\n  vitaledger registers status --digest\n  vitaledger registers rebuild"
    )]
    Registers(RegisterArgs),
    /// Ask the registers in SQL, as of any moment.
    Sql(super::sql::Sql),
    /// Walk through history.
    #[command(flatten)]
    History(super::history::History),
    /// Make a report.
    #[command(
        after_help = "Examples:\n  vitaledger report half-year --office 990101100001 --period 2014-H1\n  vitaledger report monthly --office 990101100000 --period 2014\n  vitaledger report targets --office 990101100000 --period 2014-H1"
    )]
    Report {
        /// Which report.
        #[command(subcommand)]
        report: super::report::Report,
    },
    /// Run the rules of the audit, list them, hold a run against a known truth.
    #[command(
        after_help = "Examples:\n  vitaledger audit run\n  vitaledger audit run --as-of 2014-06-30 --office 990101100001 --fail-on fail\n  vitaledger audit score --truth faulty/truth.csv"
    )]
    Audit {
        /// What to do.
        #[command(subcommand)]
        audit: super::audit::Audit,
    },
    /// List what the audit found, and where each finding stands.
    #[command(
        after_help = "Examples:\n  vitaledger findings --office 990101100001 --rule PY1\n  vitaledger findings --state answered --csv\n  vitaledger findings --json      # one object a line\n\nThe numbers that sources gave records are sealed; that they were shown is an entry of its own."
    )]
    Findings(super::findings::Findings),
    /// Ask, answer, confirm, dismiss or waive a finding.
    #[command(
        after_help = "Examples:\n  vitaledger finding ask 018f...\n  vitaledger finding answer 018f... --text 'the certificate says so'\n  vitaledger finding waive 018f... --until 2014-12-31 --reason 'the archive is being moved'"
    )]
    Finding {
        /// What to do.
        #[command(subcommand)]
        step: super::findings::FindingCommand,
    },
    /// Write registers or figures as files for other systems: Parquet, CSV, DHIS2, ADX.
    #[command(
        after_help = "Example:\n  vitaledger export indicators --office 990101000000 --period 2014S --format dhis2"
    )]
    Export {
        /// What to export.
        #[command(subcommand)]
        export: super::export::Export,
    },
    /// Periods of offices: open, close at a checkpoint, open again; restatements of closed ones.
    #[command(
        after_help = "Examples:\n  vitaledger period open --office 990101100001 --period 2014-06\n  vitaledger period close --office 990101100001 --period 2014-06\n  vitaledger period restatements --office 990101100001 --period 2014-06"
    )]
    Period {
        /// What to do.
        #[command(subcommand)]
        period: super::period::PeriodCommand,
    },
    /// Statistical returns: draft, submit, see which are missing, compare with the ledger.
    #[command(
        after_help = "Examples:\n  vitaledger return draft --office 990101100001 --period 2014-06\n  vitaledger return submit --office 990101100001 --period 2014-06\n  vitaledger return compare --office 990101100001 --period 2014-H1"
    )]
    Return {
        /// What to do.
        #[command(subcommand)]
        command: super::returns::ReturnCommand,
    },
    /// Recompute everything that can be recomputed; exit 11 and the first wrong position if not.
    #[command(
        after_help = "Examples:\n  vitaledger verify\n  vitaledger verify --log-only --since checkpoint-2014-06-30.note\n  vitaledger verify ./exported --key log.vkey\n  vitaledger verify ./exported --policy auditor.policy --since old.note\n\nA folder that export-log wrote (or a mirror fetched) is verified from its files alone,\nwith the log's verifier key or a tlog-policy. --since CHECKPOINT proves that the log\nextends a checkpoint that you kept: a rollback, a fork and a rewritten history are told apart."
    )]
    Verify(Verify),
    /// Write the log as static files (C2SP tlog-tiles); again, only what is new.
    #[command(
        name = "export-log",
        after_help = "Example:\n  vitaledger export-log ./exported && vitaledger verify ./exported --key ledger/log.vkey\n\ntile/entries holds every entry: no personal field in clear, but births that can be matched\nby date, sex and weight. Bundles are for auditors; the checkpoint and the other tiles are public."
    )]
    ExportLog(super::proofs::ExportLog),
    /// Prove that an entry is in the log (C2SP tlog-proof).
    #[command(
        after_help = "Examples:\n  vitaledger prove 17 -o 17.tlog-proof --entry 17.json\n  vitaledger prove birth/village/B1 > newest.tlog-proof"
    )]
    Prove(super::proofs::Prove),
    /// Check a tlog-proof against the bytes of its entry; no ledger is needed.
    #[command(
        after_help = "Example:\n  vitaledger check-proof 17.tlog-proof --entry 17.json --key log.vkey"
    )]
    CheckProof(super::proofs::CheckProof),
    /// Make a bundle from which an outsider can check one record.
    #[command(
        after_help = "Examples:\n  vitaledger evidence birth/village/B1 -o B1.zip\n  vitaledger evidence birth/village/B1 -o B1.zip --disclose child_name,mother_name --purpose 'complaint 12'\n\nWhat was handed out cannot be recalled by an erasure."
    )]
    Evidence(super::proofs::MakeEvidence),
    /// Check a bundle; no ledger is needed. Nothing in it is trusted.
    #[command(
        after_help = "Examples:\n  vitaledger check-evidence B1.zip --key log.vkey\n  vitaledger check-evidence B1.zip --policy auditor.policy --record 018f...\n\nWithout --key and --policy the policy in the bundle is used, and the exit code is 13:\nthe bundle agrees with itself, which proves nothing about the log."
    )]
    CheckEvidence(super::proofs::CheckEvidence),
    /// Print the newest checkpoint, a signed note, as it is.
    #[command(
        after_help = "Example:\n  vitaledger checkpoint > checkpoint-2014-06-30.note      # keep it where nobody can change it"
    )]
    Checkpoint,
    /// Copy the ledger's databases to a new folder, beside whoever is writing them.
    #[command(
        after_help = "Examples:\n  vitaledger backup ./backup-2014-06-30\n  vitaledger --store postgres://ledger@db/ledger backup ./backup-2014-06-30\n\nSQLite files and the newest checkpoint, whatever the store; recomputed before the folder gets\nits name. There are no keys in it: keep a copy of keys/ apart from it, and renew that copy\nafter every rotation of the master key."
    )]
    Backup(super::backup::MakeBackup),
    /// Make a ledger's databases from a backup; the keys must be there already.
    #[command(
        after_help = "Examples:\n  mkdir ledger && cp -r /safe/keys ledger/ && vitaledger restore ./backup-2014-06-30\n  vitaledger --store postgres://ledger@db/new restore ./backup-2014-06-30\n  vitaledger verify --against kept.note\n  vitaledger restore ./backup-2014-06-30 --as-successor    # what was signed after it is lost\n\nThe whole backup is recomputed first. Nothing is overwritten. A backup of either store can be\nrestored into either."
    )]
    Restore(super::backup::RestoreBackup),
    /// Destroy the sealed content of records; what remains says that there was one.
    #[command(
        after_help = "Examples:\n  vitaledger erase birth/village/B1 --legal-basis PIPL-47 --approved-by a --approved-by b\n  vitaledger erase --person-of registration/village/R1 --legal-basis PIPL-47 \\\n      --approved-by a --approved-by b --confirm=3"
    )]
    Erase(Erase),
    /// Show the keys that there are, or rotate one; never shows a secret.
    #[command(
        after_help = "Examples:\n  vitaledger keys show\n  vitaledger keys rotate\n  vitaledger keys retire\n  vitaledger keys rotate-master"
    )]
    Keys {
        /// What to do with them.
        #[command(subcommand)]
        keys: Keys,
    },
    /// Tokens of the network interface: make, list, revoke.
    #[command(
        after_help = "Examples:\n  vitaledger token create --role registrar --office 990101100001 --expires 2027-12-31\n  vitaledger token list\n  vitaledger token revoke 018f...\n\nA token works for its office and those below it. Its secret is shown once and kept nowhere;\nthat it was made or revoked, and what was refused to it, is on the ledger."
    )]
    Token {
        /// What to do.
        #[command(subcommand)]
        token: super::token::TokenCommand,
    },
    /// Named subscriptions to the events of the ledger: make, look at, replay, reset, webhooks.
    #[command(
        after_help = "Examples:\n  vitaledger subscription create registry --office 990101000000 --kind birth\n  vitaledger subscription lag\n  vitaledger subscription webhook registry https://registry.example/events\n  vitaledger subscription replay-parked registry\n\nConsumers share a subscription over HTTP (/v1/subscriptions): each event goes to one of them, those of\na record in order. What was refused too often is parked and holds back what follows in its record."
    )]
    Subscription {
        /// What to do.
        #[command(subcommand)]
        act: super::subscription::SubscriptionCommand,
    },
    /// Serve the ledger to other systems over HTTP, until SIGTERM or SIGINT.
    #[command(
        after_help = "Examples:\n  vitaledger serve\n  vitaledger --store postgres://ledger@db/ledger serve --listen 0.0.0.0:8443 \\\n      --tls-cert server.pem --tls-key server.key\n\nThe description of the interface is at /v1, the checkpoint at /checkpoint, health at\n/health/ready, metrics at /metrics. Several servers may share one PostgreSQL database."
    )]
    Serve(Box<super::serve::Serve>),
    /// Be a witness (C2SP tlog-witness) of the logs of others: cosign what extends what was seen.
    #[command(
        after_help = "Examples:\n  vitaledger witness init --state ./witness --name witness.example.org/county\n  vitaledger witness serve --state ./witness --listen 127.0.0.1:8081 --key ./log.vkey"
    )]
    Witness {
        /// What to do.
        #[command(subcommand)]
        witness: Witness,
    },
    /// Make a delivery of invented persons, with the truth about seeded faults.
    #[command(
        after_help = "Examples:\n  vitaledger simulate --seed 7 --population 60000 --months 36 -o delivery\n  vitaledger simulate --faults all -o faulty\n  vitaledger simulate --half-year -o half-year"
    )]
    Simulate(Simulate),
    /// Show all of it: deliver, record, seal, report, verify, tamper, detect.
    #[command(after_help = "Example:\n  vitaledger demo --into ./demo-ledger --lang zh")]
    Demo(Demo),
    /// Print completions for a shell.
    #[command(
        after_help = "Example:\n  vitaledger completions bash > ~/.local/share/bash-completion/completions/vitaledger"
    )]
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// Arguments of `import`.
#[derive(Debug, Args)]
pub struct Import {
    /// A folder, or files.
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// Append nothing; say what would be.
    #[arg(long)]
    pub dry_run: bool,
    /// Append nothing when a row is refused.
    #[arg(long)]
    pub strict: bool,
    /// On a simulated clock, the day that it may not pass; default today.
    #[arg(long, value_name = "DATE")]
    pub until: Option<String>,
    /// Where the rejects file goes.
    #[arg(long, default_value = ".", value_name = "FOLDER")]
    pub rejects: PathBuf,
    /// Rows that are committed together: smaller batches let other writers in more often.
    #[arg(long, default_value_t = crate::intake::BATCH_ROWS, value_name = "N")]
    pub batch_rows: usize,
}

/// Arguments of `record`.
#[derive(Debug, Args)]
pub struct Record {
    /// registration, birth, `pregnancy_loss`, disbursement, activity, return, or office.
    pub kind: String,
    /// COLUMN=VALUE, or `-` for a JSON object on standard input.
    #[arg(required = true, value_name = "COLUMN=VALUE")]
    pub values: Vec<String>,
    /// The same key with the same request gets the first receipt again.
    #[arg(long)]
    pub idempotency_key: Option<String>,
}

/// Arguments of `correct`.
#[derive(Debug, Args)]
pub struct Change {
    /// The kind of record.
    pub kind: String,
    /// Its id, or `KIND/SOURCE/SOURCE_RECORD_ID`.
    pub id: String,
    /// COLUMN=VALUE, or `-` for a JSON object on standard input.
    #[arg(required = true, value_name = "COLUMN=VALUE")]
    pub values: Vec<String>,
    /// Why; sealed.
    #[arg(long)]
    pub reason: String,
    /// The same key with the same request gets the first receipt again.
    #[arg(long)]
    pub idempotency_key: Option<String>,
}

/// Arguments of `void`.
#[derive(Debug, Args)]
pub struct VoidRecord {
    /// The kind of record.
    pub kind: String,
    /// Its id, or `KIND/SOURCE/SOURCE_RECORD_ID`.
    pub id: String,
    /// Why; sealed.
    #[arg(long)]
    pub reason: String,
    /// The same key with the same request gets the first receipt again.
    #[arg(long)]
    pub idempotency_key: Option<String>,
}

/// Arguments of `show`.
#[derive(Debug, Args)]
pub struct Show {
    /// Its id, or `KIND/SOURCE/SOURCE_RECORD_ID`.
    pub id: String,
    /// Show sealed fields; this is recorded.
    #[arg(long, requires = "purpose")]
    pub unseal: bool,
    /// What for; sealed.
    #[arg(long, value_name = "TEXT")]
    pub purpose: Option<String>,
}

/// Arguments of `log`.
#[derive(Debug, Args)]
pub struct Log {
    /// The first position.
    #[arg(long, default_value_t = 0, value_name = "POSITION")]
    pub from: u64,
    /// At most so many.
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Only this type of stream (birth, office, import, ...).
    #[arg(long)]
    pub kind: Option<String>,
    /// Only this office and those below it.
    #[arg(long)]
    pub office: Option<String>,
    /// Go on as entries come.
    #[arg(long)]
    pub follow: bool,
}

/// Arguments of `registers`.
#[derive(Debug, Args)]
pub struct RegisterArgs {
    /// registrations, births, `pregnancy_losses`, disbursements, activities, returns, or offices.
    #[arg(required = true)]
    pub kind: Option<String>,
    /// A position, an RFC 3339 time, a date (its end), or the file of a checkpoint.
    #[arg(long, value_name = "POSITION|TIME|FILE")]
    pub as_of: Option<String>,
    /// Only this office and those below it.
    #[arg(long)]
    pub office: Option<String>,
    /// Comma-separated values.
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// At most so many.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Only what comes after this position; how the next page goes on is said with each.
    #[arg(long, value_name = "POSITION")]
    pub after: Option<u64>,
    /// Or all registers.
    #[command(subcommand)]
    pub of_all: Option<RegistersCommand>,
}

/// What can be done with all registers.
#[derive(Debug, Subcommand)]
pub enum RegistersCommand {
    /// Files, rows and bytes of each register, what is in memory only, and what was damaged.
    #[command(
        alias = "状态",
        after_help = "Example:\n  vitaledger registers status --digest\n\nRegisters are derived from the log and brought up to date first. Damaged files are rebuilt."
    )]
    Status {
        /// With a SHA-256 over all rows of each, the same for every copy of this log.
        #[arg(long)]
        digest: bool,
    },
    /// Build all registers anew from the log; whoever reads has the old ones until it is done.
    #[command(
        alias = "重建",
        after_help = "Example:\n  vitaledger registers rebuild\n\nPrints the digest of each register before and after: they are the same, or the old one was wrong."
    )]
    Rebuild,
}

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// The folder of a ledger, or of an exported log; by default the ledger's.
    pub folder: Option<PathBuf>,
    /// Entries, tree, checkpoints and signatures only.
    #[arg(long)]
    pub log_only: bool,
    /// A checkpoint that you kept: show that the log extends it.
    #[arg(long, visible_alias = "against", value_name = "CHECKPOINT")]
    pub since: Option<PathBuf>,
    /// Whom to trust.
    #[command(flatten)]
    pub trust: super::trust::Trust,
}

/// Arguments of `erase`.
#[derive(Debug, Args)]
pub struct Erase {
    /// Ids, or `KIND/SOURCE/SOURCE_RECORD_ID`.
    #[arg(required_unless_present = "person_of")]
    pub records: Vec<String>,
    /// Every record with the ID number of this record's person.
    #[arg(long, value_name = "RECORD", conflicts_with = "records")]
    pub person_of: Option<String>,
    /// A short code of the legal ground, as PIPL-47.
    #[arg(long)]
    pub legal_basis: String,
    /// Two different persons.
    #[arg(long, required = true, value_name = "NAME")]
    pub approved_by: Vec<String>,
    /// Do not ask: erase if exactly so many records are listed.
    #[arg(long, value_name = "N")]
    pub confirm: Option<usize>,
}

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Signing keys with their state and since when; numbers and ages of the master keys, and what
    /// they wrap.
    #[command(after_help = "Example:\n  vitaledger keys show --json")]
    Show,
    /// Let a new signing key sign beside the one that does: from now on both sign every checkpoint.
    #[command(
        after_help = "Examples:\n  vitaledger keys rotate\n  vitaledger keys rotate --prepare     # several nodes: copy the file to each, then rotate\n\nHand out log.vkey, which then has both keys, before you retire the old one. Cut off, it is\ncompleted by running it again. Renew the copy that you keep of the keys' folder."
    )]
    Rotate(super::keys::Rotate),
    /// End the overlap: the old signing key signs no more, and its secret half is destroyed.
    #[command(
        after_help = "Examples:\n  vitaledger keys retire\n  vitaledger keys retire --key c74f20a3 --force\n\nRefused before both keys have signed for 30 days, and for the last key. Who checks then needs\nthe new key; with the old one, older checkpoints and proofs go on to verify."
    )]
    Retire(super::keys::Retire),
    /// Wrap the keys of all records under a new master key and destroy the old one; due every 30
    /// days. Cut off, it is completed by running it again.
    #[command(
        after_help = "Example:\n  vitaledger keys rotate-master\n\nAfterwards, renew the copy that you keep of the keys' folder: with an older one, what was\nsealed cannot be opened any more."
    )]
    RotateMaster {
        /// Before it is due.
        #[arg(long)]
        force: bool,
    },
}

/// What a witness can do.
#[derive(Debug, Subcommand)]
pub enum Witness {
    /// Make the witness's key, and print its verifier key, for the policies of others.
    #[command(
        after_help = "Example:\n  vitaledger witness init --state ./witness --name witness.example.org/county"
    )]
    Init {
        /// The folder of the key and the state; must not hold a key.
        #[arg(long, value_name = "FOLDER")]
        state: PathBuf,
        /// The name of the key, best a URL without scheme that you own.
        #[arg(long)]
        name: String,
    },
    /// Answer `POST /add-checkpoint` until it is stopped.
    #[command(
        after_help = "Example:\n  vitaledger witness serve --state ./witness --listen 127.0.0.1:8081 --key ./log.vkey\n\nPut TLS before it. A witness whose state is lost must be given a new key, not started again."
    )]
    Serve {
        /// The folder of the key and the state.
        #[arg(long, value_name = "FOLDER")]
        state: PathBuf,
        /// Where to listen; port 0 takes a free one and prints it.
        #[arg(long, default_value = "127.0.0.1:8081", value_name = "ADDRESS")]
        listen: std::net::SocketAddr,
        /// The logs to cosign.
        #[command(flatten)]
        trust: super::trust::Trust,
    },
}

/// Arguments of `simulate`.
#[derive(Debug, Args)]
pub struct Simulate {
    /// The same seed gives the same bytes.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Residents at the start.
    #[arg(long, default_value_t = 60_000)]
    pub population: u64,
    /// Months.
    #[arg(long, default_value_t = 36)]
    pub months: u32,
    /// Villages.
    #[arg(long, default_value_t = 12)]
    pub villages: u32,
    /// The first day, the first of a month.
    #[arg(long, default_value = "2013-10-01", value_name = "DATE")]
    pub start: String,
    /// Exactly so many village births in all, whatever the population.
    #[arg(long)]
    pub births: Option<u64>,
    /// Faults to seed: `all`, or names separated by commas; their truth goes to truth.csv.
    #[arg(long, value_name = "LIST")]
    pub faults: Option<String>,
    /// The half-year sample of one community instead.
    #[arg(long, conflicts_with_all = ["population", "months", "villages", "births", "faults", "start"])]
    pub half_year: bool,
    /// A new or empty folder.
    #[arg(short, long, value_name = "FOLDER")]
    pub output: PathBuf,
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// Where the demonstration's ledger goes; must not exist.
    #[arg(long, default_value = "./demo-ledger", value_name = "FOLDER")]
    pub into: PathBuf,
    /// The seed of the invented persons.
    #[arg(long, default_value_t = 2014)]
    pub seed: u64,
}
