//! The program `tarn`. Owns nothing but the way in.

/// Small requests allocate much and on several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    tarn_server::main(std::env::args_os())
}
