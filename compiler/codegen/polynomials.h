// Owns the coefficients of the polynomials that generated code evaluates, lowest degree first; made by
// tools/codegen/fit_polynomials.py, which also states what each approximates and on which interval.
#pragma once

namespace shardwright {

// kExpTail32: relative error 1.06e-8 = 2^-26.49
constexpr double kExpTail32[] = {
    0x1.0000000000000p-1, 0x1.5554dc0000000p-3, 0x1.55551a0000000p-5, 0x1.120b6e0000000p-7, 0x1.6d110a0000000p-10,
};

// kSinTail32: relative error 1.27e-8 = 2^-26.23
constexpr double kSinTail32[] = {
    -0x1.5555520000000p-3,
    0x1.110c280000000p-7,
    -0x1.9ac96c0000000p-13,
};

// kCosTail32: relative error 8.31e-10 = 2^-30.17
constexpr double kCosTail32[] = {
    0x1.5555540000000p-5,
    -0x1.6c12d20000000p-10,
    0x1.9bd8640000000p-16,
};

// kExpTail64: relative error 3.39e-19 = 2^-61.35
constexpr double kExpTail64[] = {
    0x1.0000000000000p-1,  0x1.5555555555557p-3,  0x1.5555555555556p-5,  0x1.11111111100dcp-7,
    0x1.6c16c16c162d4p-10, 0x1.a01a01abe7fe1p-13, 0x1.a01a01a6d889cp-16, 0x1.71de0231960ebp-19,
    0x1.27e4db646b17ep-22, 0x1.af4de97ca4194p-26, 0x1.1f730349868cep-29,
};

// kSinTail64: relative error 6.32e-18 = 2^-57.13
constexpr double kSinTail64[] = {
    -0x1.5555555555555p-3,  0x1.1111111111110p-7,  -0x1.a01a01a019936p-13, 0x1.71de3a54605eep-19,
    -0x1.ae64541266378p-26, 0x1.61217ec01749dp-33, -0x1.ab17a79237a19p-41,
};

// kCosTail64: relative error 1.22e-18 = 2^-59.5
constexpr double kCosTail64[] = {
    0x1.5555555555555p-5,  -0x1.6c16c16c16c16p-10, 0x1.a01a01a019d0ap-16, -0x1.27e4fb7712bdfp-22,
    0x1.1eed8deb6d561p-29, -0x1.9394b9c9c20a4p-37, 0x1.ab783376962cfp-45,
};

// kLogTail32: relative error 3.4e-9 = 2^-28.13
constexpr double kLogTail32[] = {
    0x1.5555540000000p-2,  -0x1.fffffc0000000p-3, 0x1.999d5a0000000p-3,  -0x1.555b4a0000000p-3, 0x1.23d21a0000000p-3,
    -0x1.fcf4c60000000p-4, 0x1.dea2820000000p-4,  -0x1.d635bc0000000p-4, 0x1.1d8ea60000000p-4,
};

// kAtanhTail64: relative error 5.3e-19 = 2^-60.71
constexpr double kAtanhTail64[] = {
    0x1.5555555555555p-1, 0x1.9999999999a38p-2, 0x1.2492492476cccp-2, 0x1.c71c720159177p-3,
    0x1.745cf9048dd95p-3, 0x1.3b1c355a8f7a2p-3, 0x1.0fbe95d716020p-3, 0x1.0c039c49989c6p-3,
};

// kErfTail32: relative error 2.25e-8 = 2^-25.41
constexpr double kErfTail32[] = {
    0x1.06eba60000000p-3,  -0x1.8126e20000000p-2, 0x1.ce19c40000000p-4,
    -0x1.b680540000000p-6, 0x1.46f3f40000000p-8,  -0x1.38dbe40000000p-11,
};

// kErfTail64: relative error 1.92e-17 = 2^-55.53
constexpr double kErfTail64[] = {
    0x1.06eba8214db69p-3,  -0x1.812746b0379e6p-2,  0x1.ce2f21a042b30p-4,  -0x1.b82ce31284e00p-6,
    0x1.565bcd0dbaa38p-8,  -0x1.c02db3dac435fp-11, 0x1.f9a321d5b8e1ep-14, -0x1.f4d1e3183f7aep-17,
    0x1.b9df224ca4b97p-20, -0x1.5f1ecb6f0764cp-23, 0x1.f7b4bf3b13964p-27, -0x1.389d4f2641625p-30,
    0x1.05ffd737fb32ep-34,
};

// kLogErfc32: relative error 7.03e-9 = 2^-27.08
constexpr double kLogErfc32[] = {
    0x1.5001de0000000p-12, -0x1.2157400000000p+0, -0x1.437d320000000p-1,  -0x1.c2f26e0000000p-4, 0x1.b10bba0000000p-6,
    -0x1.382f880000000p-8, 0x1.3963c60000000p-11, -0x1.835e500000000p-15, 0x1.b931400000000p-20,
};

// kErfcScaled64: relative error 9.51e-18 = 2^-56.55
constexpr double kErfcScaled64[] = {
    0x1.afbb3f3b7343ap-3,  -0x1.7ca88dec217a5p-2,  0x1.01c11a735ce27p-2,   -0x1.0011543716efbp-3,
    0x1.470ba1f65de83p-5,  -0x1.05bb2fe4926a5p-8,  -0x1.5a571672b0c59p-9,  0x1.cb3b60bf70e5cp-11,
    0x1.def24c1bd9393p-13, -0x1.0e46371ccb395p-13, -0x1.1ea6a66ec8cc8p-15, 0x1.3843acd519f29p-16,
    0x1.f60fc9444c499p-18, -0x1.341bbcfc4fd19p-19, -0x1.a1c4f73383bc0p-20, 0x1.af4cca322cba0p-24,
};

// kAtanTail64: relative error 3.26e-18 = 2^-58.09
constexpr double kAtanTail64[] = {
    -0x1.5555555555555p-2, 0x1.9999999999953p-3, -0x1.249249248d7cap-3, 0x1.c71c71c30300bp-4,
    -0x1.745d165d9ee17p-4, 0x1.3b1392d04b71cp-4, -0x1.110e875de57ebp-4, 0x1.e19a0439b3b4bp-5,
    -0x1.ac7a216389ddfp-5, 0x1.74dbcb5c2167ap-5, -0x1.1b2e7e3386b79p-5, 0x1.0ac7d2dc4c828p-6,
};

// kAsinTail64: relative error 1.86e-18 = 2^-58.9
constexpr double kAsinTail64[] = {
    0x1.5555555555555p-3, 0x1.3333333333389p-4, 0x1.6db6db6dac0eap-5,  0x1.f1c71c7a5e151p-6, 0x1.6e8ba121b9d5fp-6,
    0x1.1c4efd20ebb99p-6, 0x1.c990a42b32b03p-7, 0x1.7b02ef007d23ep-7,  0x1.3b462d121c5d2p-7, 0x1.31777489dfd29p-7,
    0x1.8dcdf11997e0fp-9, 0x1.40c91fa8deb7ep-6, -0x1.3bd7e353ddbc2p-6, 0x1.e58a4f278e007p-6,
};

}  // namespace shardwright
