//! The `evenkeel` command.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Workers allocate and free small things at each exchange, on their own thread.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    evenkeel::cli::main()
}
