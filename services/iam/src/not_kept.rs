//! Credentials that no user here has: second factors, certificates, SSH keys. Clients ask for them before they remove a user; there are none.

use std::sync::Arc;

use tarn_audit::Caller;
use tarn_aws_model::iam as wire;
use tarn_aws_protocol::AwsError;
use tarn_identity::Identity;

use crate::errors::to_aws;
use crate::resources::own_user;

/// An empty list of the user that the input names, who must exist, or of the caller.
macro_rules! none_of_user {
    ($($name:ident($input:ident) $action:literal => $output:ident.$member:ident;)*) => {$(
        pub(crate) async fn $name(
            identity: Arc<Identity>,
            caller: Caller,
            input: wire::$input,
        ) -> Result<wire::$output, AwsError> {
            let is_own = input.user_name.is_none() && caller.principal().kind == tarn_policy::PrincipalKind::Root;
            if !is_own {
                let name = own_user(&identity, &caller, $action, input.user_name)?;
                identity.get_user(&caller, &name).map_err(to_aws)?;
            }
            Ok(wire::$output { $member: Some(Vec::new()), is_truncated: Some(false), marker: None })
        }
    )*};
}

none_of_user!(
    mfa_devices(ListMFADevicesRequest) "iam:ListMFADevices" => ListMFADevicesResponse.mfa_devices;
    ssh_public_keys(ListSSHPublicKeysRequest) "iam:ListSSHPublicKeys" => ListSSHPublicKeysResponse.ssh_public_keys;
    signing_certificates(ListSigningCertificatesRequest) "iam:ListSigningCertificates"
        => ListSigningCertificatesResponse.certificates;
    service_specific_credentials(ListServiceSpecificCredentialsRequest) "iam:ListServiceSpecificCredentials"
        => ListServiceSpecificCredentialsResponse.service_specific_credentials;
);

pub(crate) async fn virtual_mfa_devices(
    _: Arc<Identity>,
    _: Caller,
    _: wire::ListVirtualMFADevicesRequest,
) -> Result<wire::ListVirtualMFADevicesResponse, AwsError> {
    Ok(wire::ListVirtualMFADevicesResponse {
        virtual_mfa_devices: Some(Vec::new()),
        is_truncated: Some(false),
        marker: None,
    })
}

pub(crate) async fn server_certificates(
    _: Arc<Identity>,
    _: Caller,
    _: wire::ListServerCertificatesRequest,
) -> Result<wire::ListServerCertificatesResponse, AwsError> {
    Ok(wire::ListServerCertificatesResponse {
        server_certificate_metadata_list: Some(Vec::new()),
        is_truncated: Some(false),
        marker: None,
    })
}

pub(crate) async fn saml_providers(
    _: Arc<Identity>,
    _: Caller,
    _: wire::ListSAMLProvidersRequest,
) -> Result<wire::ListSAMLProvidersResponse, AwsError> {
    Ok(wire::ListSAMLProvidersResponse { saml_provider_list: Some(Vec::new()) })
}
