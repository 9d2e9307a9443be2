{{- define "chaperone.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "chaperone.selector" -}}
app.kubernetes.io/name: chaperone
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "chaperone.labels" -}}
{{ include "chaperone.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "chaperone.account" -}}
{{ default (include "chaperone.name" .) .Values.serviceAccount.name }}
{{- end }}

{{- define "chaperone.policy" -}}
{{ default (printf "%s-policy" (include "chaperone.name" .)) .Values.policy.configMap }}
{{- end }}

{{- define "chaperone.config" -}}
rules: policy/rules.yaml
listen:
  address: 0.0.0.0:8080
  hosts:
    - {{ include "chaperone.name" . }}
    - {{ include "chaperone.name" . }}.{{ .Release.Namespace }}
    - {{ include "chaperone.name" . }}.{{ .Release.Namespace }}.svc
    - {{ include "chaperone.name" . }}.{{ .Release.Namespace }}.svc.cluster.local
    {{- range .Values.hosts }}
    - {{ . | quote }}
    {{- end }}
  {{- if .Values.tls.secret }}
  tls: {cert: tls/tls.crt, key: tls/tls.key}
  {{- end }}
admin: {address: "0.0.0.0:9090"}
data: /var/lib/chaperone
state:
  redis:
    addresses: {{ toJson .Values.redis.addresses }}
    {{- with .Values.redis.username }}
    username: {{ . | quote }}
    {{- end }}
    {{- if .Values.redis.passwordSecret }}
    password_file: redis/password
    {{- end }}
    {{- if .Values.redis.caSecret }}
    tls: {ca_file: redis-ca/ca.crt}
    {{- end }}
    {{- if .Values.redis.cluster }}
    cluster: true
    {{- end }}
    {{- with .Values.redis.sentinelMaster }}
    sentinel: {master: {{ . | quote }}}
    {{- end }}
    durability: {{ .Values.redis.durability }}
  on_outage: {{ .Values.redis.onOutage }}
keys:
  vault:
    address: {{ .Values.vault.address | quote }}
    transit_key: {{ .Values.vault.transitKey | quote }}
    kv_path: {{ .Values.vault.kvPath | quote }}
    {{- with .Values.vault.namespace }}
    namespace: {{ . | quote }}
    {{- end }}
    {{- if .Values.vault.caSecret }}
    ca_file: vault-ca/ca.crt
    {{- end }}
    {{- if .Values.vault.appRoleSecret }}
    auth: {approle: {role_id_file: vault/role-id, secret_id_file: vault/secret-id}}
    {{- else }}
    auth: {kubernetes: {role: {{ .Values.vault.kubernetesRole | quote }}}}
    {{- end }}
limits:
  body: {{ .Values.limits.body }}
  read_timeout: {{ .Values.limits.readTimeout }}
  upstream_timeout: {{ .Values.limits.upstreamTimeout }}
  drain_timeout: {{ .Values.limits.drainTimeout }}
{{- end }}

{{- /* The Secrets that are mounted, by the folder under /etc/chaperone. */ -}}
{{- define "chaperone.secrets" -}}
{{- with .Values.tls.secret }}
tls: {{ . }}
{{- end }}
{{- with .Values.redis.passwordSecret }}
redis: {{ . }}
{{- end }}
{{- with .Values.redis.caSecret }}
redis-ca: {{ . }}
{{- end }}
{{- with .Values.vault.appRoleSecret }}
vault: {{ . }}
{{- end }}
{{- with .Values.vault.caSecret }}
vault-ca: {{ . }}
{{- end }}
{{- end }}
