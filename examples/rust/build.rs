// SPDX-License-Identifier: MIT
// Asks pkg-config where libhakmem is, and links with it.

use std::process::Command;

fn main() {
    let found = Command::new("pkg-config")
        .args(["--libs", "hakmem"])
        .output()
        .expect("pkg-config runs");
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    for flag in String::from_utf8_lossy(&found.stdout).split_whitespace() {
        if let Some(directory) = flag.strip_prefix("-L") {
            println!("cargo:rustc-link-search=native={directory}");
        } else if let Some(library) = flag.strip_prefix("-l") {
            println!("cargo:rustc-link-lib={library}");
        }
    }
    println!("cargo:rerun-if-env-changed=PKG_CONFIG_PATH");
}
