; SPDX-License-Identifier: MIT
; For z3: a product divided by one of its factors is the other, which cannot be derived
; but has to be searched for, bit by bit.
(set-option :smt.random_seed 1)
(set-option :sat.random_seed 1)
(declare-const a (_ BitVec 7))
(declare-const b (_ BitVec 7))
(define-fun wide ((x (_ BitVec 7))) (_ BitVec 14) (concat #b0000000 x))
(assert (not (= b #b0000000)))
(assert (not (= (bvudiv (bvmul (wide a) (wide b)) (wide b)) (wide a))))
(check-sat)
