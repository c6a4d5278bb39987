//! The program `tarn`. Owns nothing but the way in.

fn main() -> std::process::ExitCode {
    tarn_server::main(std::env::args_os())
}
