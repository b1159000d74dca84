// SPDX-License-Identifier: MIT
//! A program whose heap is libhakmem's.

mod hakmem;

#[global_allocator]
static GLOBAL: hakmem::Hakmem = hakmem::Hakmem;

/// More than malloc aligns by itself.
#[repr(align(128))]
#[derive(Clone, PartialEq)]
struct Line([u8; 128]);

fn main() {
    println!("profile {}", hakmem::profile());

    let bytes: Vec<u8> = Vec::with_capacity(1000);
    println!(
        "1000 bytes, usable {} of {}",
        hakmem::usable_bytes(&bytes),
        hakmem::good_size(1000)
    );

    let mut lines = vec![Line([7; 128]); 3];
    for _ in 0..1000 {
        lines.push(Line([7; 128])); // moves the vector several times
    }
    let aligned = lines.as_ptr() as usize % std::mem::align_of::<Line>() == 0;
    let intact = lines.iter().all(|line| *line == Line([7; 128]));
    println!("{} lines, aligned {aligned}, intact {intact}", lines.len());

    let zeros = vec![0u8; 1 << 20];
    println!("{} bytes of zero {}", zeros.len(), zeros.iter().all(|byte| *byte == 0));
}
