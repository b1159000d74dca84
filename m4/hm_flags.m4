dnl SPDX-License-Identifier: MIT

dnl HM_APPEND_CFLAGS(VARIABLE, FLAGS)
dnl Adds to VARIABLE each of FLAGS that the compiler takes. -Werror, because clang only
dnl warns about an option it does not know.
AC_DEFUN([HM_APPEND_CFLAGS],
[hm_save_CFLAGS=$CFLAGS
for hm_flag in m4_normalize([$2]); do
    AC_MSG_CHECKING([whether $CC accepts $hm_flag])
    CFLAGS="$hm_save_CFLAGS -Werror $hm_flag"
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM],
        [AC_MSG_RESULT([yes]); AS_VAR_APPEND([$1], [" $hm_flag"])],
        [AC_MSG_RESULT([no])])
done
CFLAGS=$hm_save_CFLAGS
AC_SUBST([$1])])
