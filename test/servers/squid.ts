import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { newFolder, type Program, start } from './program.js'

const AUTHENTICATION = `#!/bin/sh
while read -r user password; do
  if [ "$user:$password" = "user:secret" ]; then echo OK; else echo ERR; fi
done
`

/** Starts Squid as a forward proxy for `user` with the password `secret`. It refuses requests to `forbidden.test`. */
export function squid(port: number): Promise<Program> {
  const folder = newFolder()
  // Started as root, Squid switches to another user first.
  chmodSync(folder, 0o777)
  const helper = join(folder, 'authentication.sh')
  const file = join(folder, 'squid.conf')
  writeFileSync(helper, AUTHENTICATION, { mode: 0o755 })
  writeFileSync(
    file,
    `
http_port 127.0.0.1:${port}
visible_hostname squid.test
pid_filename ${folder}/squid.pid
cache_log ${folder}/cache.log
coredump_dir ${folder}
access_log none
cache_store_log none
cache deny all
pinger_enable off
max_filedescriptors 1024
shutdown_lifetime 0 seconds
auth_param basic program ${helper}
auth_param basic children 1 startup=1
auth_param basic realm test
acl known proxy_auth REQUIRED
acl forbidden dstdomain forbidden.test
http_access allow known !forbidden
http_access deny all
`,
  )
  return start(folder, ['squid', '-N', '-f', file], [port])
}
