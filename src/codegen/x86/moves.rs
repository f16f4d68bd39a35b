//! Moves that happen at once: carried values at the ends of loops, results of `if`.

use super::alloc::Home;
use super::emit::{Emitter, put};
use super::facts::{Class, Form};
use super::isa::Isa;
use crate::lane::Value;
use iced_x86::Register;

/// Class, target and source.
pub type Move = (Class, Home, Home);

impl<I: Isa> Emitter<'_, I> {
    /// Gives each of `to` the value of its partner in `from`.
    pub fn transfer(&mut self, from: &[Value], to: &[Value]) {
        let (mut moves, mut numbers) = (vec![], vec![]);
        for (from, to) in from.iter().zip(to) {
            match (self.facts.form(*from), self.facts.form(*to)) {
                (Form::Number(n), _) => numbers.push((self.homes.of(*to), n)),
                (_, Form::Stored(class)) => moves.push((class, self.homes.of(*to), self.homes.of(*from))),
                _ => {}
            }
        }
        self.parallel(moves);
        numbers.into_iter().for_each(|(to, n)| self.set_home(to, n));
    }

    fn set_home(&mut self, to: Home, n: i64) {
        match to {
            Home::Reg(register) => self.asm.set(register, n),
            Home::Slot(at) => {
                self.asm.set(Register::RAX, n);
                self.store_home(Class::Gpr, at, Register::RAX);
            }
            Home::Pool(_) | Home::Nowhere => {}
        }
    }

    /// Each move waits until no other needs what its target holds; a circle is cut by a copy elsewhere.
    pub fn parallel(&mut self, mut moves: Vec<Move>) {
        moves.retain(|(_, to, from)| *to != Home::Nowhere && to != from);
        while !moves.is_empty() {
            let needed = |i: usize| moves.iter().enumerate().any(|(j, m)| j != i && m.2 == moves[i].1);
            match (0..moves.len()).find(|&i| !needed(i)) {
                Some(i) => {
                    let (class, to, from) = moves.swap_remove(i);
                    self.move_one(class, to, from);
                }
                None => {
                    let (class, held, _) = moves[0];
                    let waiting = self.waiting_home(class);
                    self.move_one(class, waiting, held);
                    moves.iter_mut().filter(|m| m.2 == held).for_each(|m| m.2 = waiting);
                }
            }
        }
    }

    fn move_one(&mut self, class: Class, to: Home, from: Home) {
        match (to, from) {
            (Home::Reg(register), _) => self.load_home(class, register, from),
            (Home::Slot(at), Home::Reg(register)) => self.store_home(class, at, register),
            (Home::Slot(at), _) => {
                let spare = self.first_scratch(class);
                self.load_home(class, spare, from);
                self.store_home(class, at, spare);
            }
            (Home::Pool(_) | Home::Nowhere, _) => {}
        }
    }

    /// `place += n`, for an index.
    pub fn advance(&mut self, v: Value, n: i64) {
        let register = self.gpr(v, Register::RAX);
        match i32::try_from(n) {
            Ok(n) => self.asm.arithmetic((iced_x86::Code::Add_rm64_imm8, iced_x86::Code::Add_rm64_imm32), register, n),
            Err(_) => {
                self.asm.set(Register::RCX, n);
                put!(self, Add_r64_rm64, register, Register::RCX);
            }
        }
        if let Home::Slot(at) = self.homes.of(v) {
            self.store_home(Class::Gpr, at, register);
        }
    }
}
