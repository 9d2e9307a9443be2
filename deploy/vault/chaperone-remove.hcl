# For `chaperone keys migrate --to local --remove-source` alone, besides
# chaperone.hcl: remove the keyset from Vault with all its versions. Give it to
# the token of that one run, and not to the proxy.
path "secret/metadata/chaperone" {
  capabilities = ["delete"]
}
