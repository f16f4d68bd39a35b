//! Vector instructions that both instruction sets have, a line each: the form for ymm registers (AVX, AVX2, FMA) and the
//! one for zmm registers (AVX-512). Of operations on masks, the one on vectors of all ones or zeros, and the one on k
//! registers.

use iced_x86::Code;

macro_rules! table {
    ($($name:ident: $ymm:ident $zmm:ident)*) => {
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Simd {
            $($name),*
        }

        impl Simd {
            pub fn ymm(self) -> Code {
                match self {
                    $(Simd::$name => Code::$ymm),*
                }
            }

            pub fn zmm(self) -> Code {
                match self {
                    $(Simd::$name => Code::$zmm),*
                }
            }
        }
    };
}

table! {
    Move:         VEX_Vmovaps_ymm_ymmm256           EVEX_Vmovaps_zmm_k1z_zmmm512
    Keep:         VEX_Vmovaps_ymmm256_ymm           EVEX_Vmovaps_zmmm512_k1z_zmm
    Load:         VEX_Vmovups_ymm_ymmm256           EVEX_Vmovups_zmm_k1z_zmmm512
    Store:        VEX_Vmovups_ymmm256_ymm           EVEX_Vmovups_zmmm512_k1z_zmm
    Splat:        VEX_Vbroadcastss_ymm_m32          EVEX_Vbroadcastss_zmm_k1z_xmmm32
    SplatLane:    VEX_Vbroadcastss_ymm_xmm          EVEX_Vbroadcastss_zmm_k1z_xmmm32
    FirstLane:    VEX_Vmovd_rm32_xmm                EVEX_Vmovd_rm32_xmm
    WidenBytes:   VEX_Vpmovzxbd_ymm_xmmm64          EVEX_Vpmovzxbd_zmm_k1z_xmmm128

    Add:          VEX_Vaddps_ymm_ymm_ymmm256        EVEX_Vaddps_zmm_k1z_zmm_zmmm512b32_er
    Sub:          VEX_Vsubps_ymm_ymm_ymmm256        EVEX_Vsubps_zmm_k1z_zmm_zmmm512b32_er
    Mul:          VEX_Vmulps_ymm_ymm_ymmm256        EVEX_Vmulps_zmm_k1z_zmm_zmmm512b32_er
    Div:          VEX_Vdivps_ymm_ymm_ymmm256        EVEX_Vdivps_zmm_k1z_zmm_zmmm512b32_er
    Max:          VEX_Vmaxps_ymm_ymm_ymmm256        EVEX_Vmaxps_zmm_k1z_zmm_zmmm512b32_sae
    Min:          VEX_Vminps_ymm_ymm_ymmm256        EVEX_Vminps_zmm_k1z_zmm_zmmm512b32_sae
    Sqrt:         VEX_Vsqrtps_ymm_ymmm256           EVEX_Vsqrtps_zmm_k1z_zmmm512b32_er
    Round:        VEX_Vroundps_ymm_ymmm256_imm8     EVEX_Vrndscaleps_zmm_k1z_zmmm512b32_imm8_sae
    Fma132:       VEX_Vfmadd132ps_ymm_ymm_ymmm256   EVEX_Vfmadd132ps_zmm_k1z_zmm_zmmm512b32_er
    Fma213:       VEX_Vfmadd213ps_ymm_ymm_ymmm256   EVEX_Vfmadd213ps_zmm_k1z_zmm_zmmm512b32_er
    Fma231:       VEX_Vfmadd231ps_ymm_ymm_ymmm256   EVEX_Vfmadd231ps_zmm_k1z_zmm_zmmm512b32_er
    BitAnd:       VEX_Vandps_ymm_ymm_ymmm256        EVEX_Vpandd_zmm_k1z_zmm_zmmm512b32
    BitXor:       VEX_Vxorps_ymm_ymm_ymmm256        EVEX_Vpxord_zmm_k1z_zmm_zmmm512b32
    ToFloat:      VEX_Vcvtdq2ps_ymm_ymmm256         EVEX_Vcvtdq2ps_zmm_k1z_zmmm512b32_er
    Truncate:     VEX_Vcvttps2dq_ymm_ymmm256        EVEX_Vcvttps2dq_zmm_k1z_zmmm512b32_sae
    Permute:      VEX_Vpermilps_ymm_ymmm256_imm8    EVEX_Vpermilps_zmm_k1z_zmmm512b32_imm8

    IAbs:         VEX_Vpabsd_ymm_ymmm256            EVEX_Vpabsd_zmm_k1z_zmmm512b32
    IAdd:         VEX_Vpaddd_ymm_ymm_ymmm256        EVEX_Vpaddd_zmm_k1z_zmm_zmmm512b32
    ISub:         VEX_Vpsubd_ymm_ymm_ymmm256        EVEX_Vpsubd_zmm_k1z_zmm_zmmm512b32
    IMul:         VEX_Vpmulld_ymm_ymm_ymmm256       EVEX_Vpmulld_zmm_k1z_zmm_zmmm512b32
    IMax:         VEX_Vpmaxsd_ymm_ymm_ymmm256       EVEX_Vpmaxsd_zmm_k1z_zmm_zmmm512b32
    IMin:         VEX_Vpminsd_ymm_ymm_ymmm256       EVEX_Vpminsd_zmm_k1z_zmm_zmmm512b32
    IAnd:         VEX_Vpand_ymm_ymm_ymmm256         EVEX_Vpandd_zmm_k1z_zmm_zmmm512b32
    IOr:          VEX_Vpor_ymm_ymm_ymmm256          EVEX_Vpord_zmm_k1z_zmm_zmmm512b32
    IXor:         VEX_Vpxor_ymm_ymm_ymmm256         EVEX_Vpxord_zmm_k1z_zmm_zmmm512b32
    IShl:         VEX_Vpsllvd_ymm_ymm_ymmm256       EVEX_Vpsllvd_zmm_k1z_zmm_zmmm512b32
    IShr:         VEX_Vpsrlvd_ymm_ymm_ymmm256       EVEX_Vpsrlvd_zmm_k1z_zmm_zmmm512b32
    ISar:         VEX_Vpsravd_ymm_ymm_ymmm256       EVEX_Vpsravd_zmm_k1z_zmm_zmmm512b32
    IShlBy:       VEX_Vpslld_ymm_ymm_imm8           EVEX_Vpslld_zmm_k1z_zmmm512b32_imm8
    IShrBy:       VEX_Vpsrld_ymm_ymm_imm8           EVEX_Vpsrld_zmm_k1z_zmmm512b32_imm8
    ISarBy:       VEX_Vpsrad_ymm_ymm_imm8           EVEX_Vpsrad_zmm_k1z_zmmm512b32_imm8
    MulWide:      VEX_Vpmuludq_ymm_ymm_ymmm256      EVEX_Vpmuludq_zmm_k1z_zmm_zmmm512b64
    ShrWide:      VEX_Vpsrlq_ymm_ymm_imm8           EVEX_Vpsrlq_zmm_k1z_zmmm512b64_imm8

    MaskAnd:      VEX_Vandps_ymm_ymm_ymmm256        VEX_Kandw_kr_kr_kr
    MaskAndNot:   VEX_Vandnps_ymm_ymm_ymmm256       VEX_Kandnw_kr_kr_kr
    MaskOr:       VEX_Vorps_ymm_ymm_ymmm256         VEX_Korw_kr_kr_kr
    MaskXor:      VEX_Vxorps_ymm_ymm_ymmm256        VEX_Kxorw_kr_kr_kr
    MaskXnor:     VEX_Vpcmpeqd_ymm_ymm_ymmm256      VEX_Kxnorw_kr_kr_kr
}
