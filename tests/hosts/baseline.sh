# The checks that most guides for "connection refused" give, in their order, and what a reader would conclude from them: a box
# of the chart, `healthy`, or `unknown`. The yardstick of the accuracy table (tests/hosts/accuracy.rs).
target=$1
case $target in
udp://*) port=${target##*:} host=${target#udp://} host=${host%:*} proto=u ;;
http*://*) rest=${target#*://} host=${rest%%/*} proto=t
    case $host in *:*) port=${host##*:} host=${host%:*} ;; *) case $target in https*) port=443 ;; *) port=80 ;; esac ;; esac ;;
unix:*) path=${target#unix:} proto=x ;;
*:*) host=${target%:*} port=${target##*:} proto=t ;;
*[!0-9]*) unit=$target proto=s ;;
*) host=10.2.0.2 port=$target proto=t ;;
esac
host=${host#[}
host=${host%]}

if [ -n "$unit" ]; then # systemctl status UNIT
    systemctl is-active -q "$unit" || { echo service; exit; }
    echo healthy
    exit
fi
if [ "$proto" = x ]; then # ls -l PATH; ss -xl
    [ -S "$path" ] || { echo service; exit; }
    ss -Hxl | grep -q "$path" || { echo service; exit; }
    echo healthy
    exit
fi
case $host in
10.2.0.2 | fd00:2::2 | 127.* | ::1 | localhost) ;;
*) # elsewhere: does the name resolve, does ping answer, does nc connect
    getent hosts "$host" >/dev/null || { echo name; exit; }
    nc -z -w 3 "$host" "$port" 2>/dev/null && { echo healthy; exit; }
    ping -c 1 -W 2 "$host" >/dev/null 2>&1 || { echo network; exit; }
    echo unknown
    exit
    ;;
esac
# ss -tulnp | grep PORT
listening=$(ss -Hln"$proto" "sport = :$port" | awk '{print $4}')
[ -n "$listening" ] || { echo service; exit; }
case $host in
127.* | ::1 | localhost) ;;
*) echo "$listening" | grep -qvE '^(127\.|\[::1\])' || { echo listener; exit; } ;;
esac
# ufw status, firewall-cmd --list-all, iptables -L -n, nft list ruleset
if command -v ufw >/dev/null && ufw status 2>/dev/null | grep -q '^Status: active'; then
    ufw status | grep -E "^$port(/|[[:space:]])" | grep -q ALLOW || { echo firewall; exit; }
fi
if firewall-cmd --state >/dev/null 2>&1; then
    name=$(getent services "$port" | awk '{print $1}')
    firewall-cmd --list-ports | grep -qw "$port/tcp" || firewall-cmd --list-services | grep -qw "${name:-none}" || { echo firewall; exit; }
fi
rules=$(iptables -L INPUT -n 2>/dev/null; nft list ruleset 2>/dev/null)
echo "$rules" | grep -E "dpt:$port\b|dport $port\b" | grep -qiE 'drop|reject' && { echo firewall; exit; }
if echo "$rules" | grep -qiE 'hook input.*policy drop|INPUT \(policy DROP'; then
    echo "$rules" | grep -E "dpt:$port\b|dport $port\b" | grep -qi accept || { echo firewall; exit; }
fi
# getenforce
[ "$(getenforce 2>/dev/null)" != Enforcing ] || { echo policy; exit; }
# nc -zv
if [ "$proto" = u ] || nc -z -w 3 "$host" "$port" 2>/dev/null; then echo healthy; else echo unknown; fi
