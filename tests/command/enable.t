# SPDX-License-Identifier: MIT
# hakmem enable and disable: the drop-in, and what is left alone.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use File::Path 'make_path';
use Command;
use Test::More;

helped('enable');
helped('disable');

my $root = "$scratch/root";
my $etc  = "$root/etc/systemd/system";
my $lib  = "$root/lib/systemd/system";
my $mark = "# Written by hakmem enable; hakmem disable removes it.\n";
make_path($lib);
spew("$lib/web.service", "[Service]\nExecStart=/bin/web\n");

my $drop_in = "$etc/web.service.d/hakmem.conf";

# The drop-in.
my $said = hakmem('enable', "--root=$root", '-p', 'low-memory', 'web');
is($said->{status}, 0, 'enable succeeds');
like($said->{out}, qr/^web\.service runs under libhakmem: \Q$drop_in\E$/m, '... and says where');
is($said->{err}, '', '... without a warning');
is(slurp($drop_in), $mark . <<'END', '... having written the drop-in');
[Service]
Environment="LD_PRELOAD=libhakmem.so.0"
Environment="HAKMEM_PROFILE=low-memory"
END
is((stat $drop_in)[2] & 07777, 0644, '... which everybody may read');
is_deeply([glob("$etc/web.service.d/*")], [$drop_in], '... and nothing else');

is(hakmem('enable', "--root=$root", '-o', 'tls_cache_bytes=10%', '-o', 'trim_interval=1m',
        'web.service')->{status}, 0, 'enable once more succeeds');
is(slurp($drop_in), $mark . <<'END', '... in place of the first; % is doubled for systemd');
[Service]
Environment="LD_PRELOAD=libhakmem.so.0"
Environment="HAKMEM_OPTIONS=tls_cache_bytes=10%%,trim_interval=1m"
END

$said = hakmem('disable', "--root=$root", 'web');
is($said->{status}, 0, 'disable succeeds');
ok(!-e "$etc/web.service.d", '... and leaves nothing');
$said = hakmem('disable', "--root=$root", 'web');
is($said->{status}, 0, 'disable of what is not enabled succeeds');
like($said->{out}, qr/is not enabled/, '... and says so');

# Mistakes: nothing is written.
for (['profile', '-p', 'nonsense', 'web'], ['option', '-o', 'trim_interval=x', 'web'],
    ['no unit'], ['two units', 'web', 'mail'], ['a path', '../web'], ['a socket', 'web.socket'],
    ['user and root', '--user', 'web']) {
    my ($what, @arguments) = @$_;
    $said = hakmem('enable', "--root=$root", @arguments);
    is($said->{status}, 2, "$what: refused");
    like($said->{err}, qr/^hakmem: /, '... with a message');
}
is_deeply([glob "$etc/*"], [], '... and nothing is written');

# Files of others.
make_path("$etc/web.service.d");
spew($drop_in, "[Service]\nNice=5\n");
for my $command ('enable', 'disable') {
    $said = hakmem($command, "--root=$root", 'web');
    is($said->{status}, 1, "$command refuses a file that is not its own");
    is(slurp($drop_in), "[Service]\nNice=5\n", '... and leaves it');
}
unlink $drop_in;
symlink "$lib/web.service", $drop_in;
is(hakmem('enable', "--root=$root", 'web')->{status}, 1, 'enable refuses a symbolic link');
unlink $drop_in;

# What is preloaded already.
spew("$lib/web.service", "[Service]\nEnvironment=A=b 'LD_PRELOAD=liba.so libb.so' C=d\n");
hakmem('enable', "--root=$root", 'web');
like(slurp($drop_in), qr/"LD_PRELOAD=libhakmem\.so\.0:liba\.so libb\.so"/,
    "the unit's own libraries stay, behind ours");
spew("$etc/web.service.d/a.conf", "[Service]\nEnvironment=LD_PRELOAD=libc1.so\n");
hakmem('enable', "--root=$root", 'web');
like(slurp($drop_in), qr/"LD_PRELOAD=libhakmem\.so\.0:libc1\.so"/, 'a drop-in overrides the unit');
spew("$etc/web.service.d/a.conf", "[Service]\nEnvironment=\n");
hakmem('enable', "--root=$root", 'web');
like(slurp($drop_in), qr/"LD_PRELOAD=libhakmem\.so\.0"/, 'an empty assignment takes all back');
spew("$etc/web.service.d/z.conf", "[Service]\nEnvironment=LD_PRELOAD=libz.so\n");
$said = hakmem('enable', "--root=$root", 'web');
like($said->{err}, qr/warning: \Q$etc\E\/web\.service\.d\/z\.conf sets LD_PRELOAD/,
    'a drop-in that comes later is warned of');

# Instances, missing units, users.
spew("$lib/job\@.service", "[Service]\nEnvironment=LD_PRELOAD=libj.so\n");
$said = hakmem('enable', "--root=$root", 'job@one');
is($said->{err}, '', 'an instance of a template is known');
like(slurp("$etc/job\@one.service.d/hakmem.conf"), qr/hakmem\.so\.0:libj\.so/, '... and read');
$said = hakmem('enable', "--root=$root", 'later');
is($said->{status}, 0, 'a unit may come later');
like($said->{err}, qr/warning: there is no unit later\.service yet/, '... which is warned of');

SKIP: {
    skip 'libhakmem.so is not built here', 3 unless -r $library;
    my $home = "$scratch/home";
    mkdir $home;
    my %env = (HOME => $home, XDG_CONFIG_HOME => undef, PATH => '/nonexistent');
    $said = hakmem(\%env, 'enable', '--user', 'mine');
    is($said->{status}, 0, "enable --user succeeds");
    like(slurp("$home/.config/systemd/user/mine.service.d/hakmem.conf"),
        qr/"LD_PRELOAD=\S*libhakmem\.so\.0"/, "... and writes below the user's home");
    like($said->{out}, qr/^    systemctl --user daemon-reload$/m, '... and says what to do');
}

# Where systemd runs, it is told: a stand-in for systemctl, on an /etc and a /run of our own.
my $told = "$scratch/told";
mkdir "$scratch/bin";
spew("$scratch/bin/systemctl", qq{#!/bin/sh\necho "\$*" >> $told\nexit \$SYSTEMCTL_STATUS\n});
chmod 0755, "$scratch/bin/systemctl";
my @private = ('unshare', $> == 0 ? '-m' : '-rm', 'sh', '-c', 'mount -t tmpfs none /run &&
    mount -t tmpfs none /etc && mkdir -p /run/systemd/system /etc/systemd/system && "$@"', 'sh');

# Runs `hakmem ARGUMENT...` there; returns its status, all that it says, and what systemctl
# was told.
sub where_systemd_runs {
    my ($systemctl_status, @arguments) = @_;
    local @ENV{qw(PATH HOME SYSTEMCTL_STATUS)}
        = ("$scratch/bin:$ENV{PATH}", "$scratch/home", $systemctl_status);
    unlink $told;
    open my $out, '-|', @private, "$build/command/hakmem", @arguments or die "unshare: $!\n";
    my $text = join '', <$out>;
    close $out;
    return ($? >> 8, $text, -e $told ? slurp($told) : '');
}

SKIP: {
    skip 'libhakmem.so is not built here', 12 unless -r $library;
    skip 'cannot unshare mounts', 12 if system("@private[0, 1] true 2>/dev/null") != 0
        || system(@private, 'true') != 0;
    delete local $ENV{XDG_CONFIG_HOME};
    for (['--system'], ['--user', '--user']) {
        my ($manager, @user) = @$_;
        my $systemctl = join ' ', 'systemctl', @user;
        for my $command ('enable', 'disable') {
            next if $command eq 'disable' && !@user;    # that /etc is gone
            my ($status, $text, $said) = where_systemd_runs(0, $command, @user, 'mine');
            is($status, 0, join(" ", $command, @user) . ": systemd runs there");
            is($said, "$manager daemon-reload\n", '... has it read its files anew');
            like($text, qr/at once with\n    \Q$systemctl\E restart mine\.service$/m,
                '... and leaves the restart to people');
        }
    }
    my ($status, $text, $said) = where_systemd_runs(1, 'enable', '--user', 'mine');
    is($status, 0, 'enable when systemd does not answer');
    is($said, "--user daemon-reload\n", '... which it was asked to');
    like($text, qr/^    systemctl --user daemon-reload$/m, '... says what to do');
}

done_testing();
